import { z } from "@hono/zod-openapi";
import { type JsonObject, PerdureError, isObject, isUuid, safeParse } from "#core";
import type { Logger } from "#platform";
import type { Database } from "#db";
import type { StoredEvent } from "#runs";
import { notFound } from "../problem.ts";
import { eventJson } from "../runs/event-json.ts";
import type { Caller } from "../security/caller.ts";
import { CLOSE, type Connection, type Frame, type Guest, frameOf } from "./connection.ts";
import type { Feeds } from "./feeds.ts";
import type { Inner } from "./inner.ts";
import { type ProblemMessage, problemMessage, problemOf } from "./problem-message.ts";

const seq = z.coerce.number().int().min(0).max(2_147_483_647);
const resume = z.object({ execution_id: z.string(), last_id: seq.optional() });

export interface RunSocketParts {
  readonly db: Pick<Database, "runs" | "workflows">;
  readonly feeds: Feeds;
  readonly inner: Inner;
  readonly logger: Logger;
  readonly address: string;
  readonly workflowId: string;
  readonly anonymousMs: number;
}

/**
 * The documented WebSocket of a workflow: `execute` starts a run and tells its events, flat; the connection ends with the run. `resume` goes on
 * with a run after the last message one has.
 */
export class RunSocket implements Guest {
  readonly #connection: Connection;
  readonly #parts: RunSocketParts;
  #patience: NodeJS.Timeout | undefined;
  #isBusy = false;
  #leave: (() => void) | undefined;
  #callerOf: ((token: string) => Promise<Caller>) | undefined;

  /** @param callerOf - For who says late who they are: the caller, who may be here and has a seat. It throws a PerdureError. */
  constructor(connection: Connection, parts: RunSocketParts, callerOf: (token: string) => Promise<Caller>) {
    this.#connection = connection;
    this.#parts = parts;
    if (connection.caller) return;
    this.#callerOf = callerOf;
    this.#patience = setTimeout(() => connection.close(CLOSE.unauthorized, "No token came in time."), parts.anonymousMs);
  }

  async message(text: string): Promise<void> {
    try {
      const request = read(text);
      const caller = this.#connection.caller ?? (await this.#identify(request["token"]));
      switch (request["action"]) {
        case "authenticate":
          return this.#connection.send(JSON.stringify({ type: "authenticated" }));
        case "execute":
          return await this.#execute(caller, request);
        case "resume":
          return await this.#resume(caller, request);
        default:
          throw new PerdureError("validation.failed", "There is no such action.", {
            findings: [{ code: "validation.action", message: "is none of execute, resume, authenticate", path: "action" }],
          });
      }
    } catch (error) {
      this.#refuse(problemMessage(error, this.#parts.logger));
    }
  }

  closed(): void {
    clearTimeout(this.#patience);
    this.#leave?.();
  }

  async #identify(token: unknown): Promise<Caller> {
    try {
      if (!this.#callerOf || typeof token !== "string" || token === "")
        throw new PerdureError("auth.required", "Send the access token as `token` of the first message.");
      const caller = await this.#callerOf(token);
      clearTimeout(this.#patience);
      // It holds the request of the handshake.
      this.#callerOf = undefined;
      this.#connection.caller = caller;
      return caller;
    } catch (error) {
      // What comes after it on this connection is not looked at.
      const problem = problemMessage(error, this.#parts.logger);
      const code =
        problem.status === 403 ? CLOSE.forbidden : problem.status === 404 ? CLOSE.notFound : problem.status === 429 ? CLOSE.tooMany : CLOSE.unauthorized;
      setImmediate(() => this.#connection.close(code, problem.message.slice(0, 100)));
      throw error;
    }
  }

  async #execute(caller: Caller, { action: _action, token: _token, mode: _mode, idempotency_key: key, ...body }: JsonObject): Promise<void> {
    this.#claim();
    try {
      const answer = await this.#parts.inner(caller, this.#parts.address, {
        method: "POST",
        path: `/api/v1/workflows/${this.#parts.workflowId}/execute`,
        body: { ...body, mode: "async" },
        ...(typeof key === "string" && /^[\x20-\x7e]+$/.test(key) && { headers: { "idempotency-key": key } }),
      });
      if (!answer.ok) {
        this.#isBusy = false;
        return this.#refuse(await problemOf(answer));
      }
      const run = (await answer.json()) as { id: string };
      this.#follow(caller, run.id, 0);
    } catch (error) {
      this.#isBusy = false;
      throw error;
    }
  }

  async #resume(caller: Caller, request: JsonObject): Promise<void> {
    const parsed = safeParse(resume, request);
    if (!parsed.success) {
      const findings = parsed.error.issues.map(({ code, message, path }) => ({ code: `validation.${code}`, message, path: path.join(".") }));
      throw new PerdureError("validation.failed", "The message is not valid.", { findings });
    }
    const { execution_id: id, last_id: after = 0 } = parsed.data;
    const run = isUuid(id) ? await this.#parts.db.runs.get(caller.principal.tenantId, id) : undefined;
    if (run?.workflowId !== this.#parts.workflowId) throw notFound("execution");
    this.#claim();
    this.#follow(caller, id, after);
  }

  #claim(): void {
    if (this.#isBusy) throw new PerdureError("resource.conflict", "A connection follows one run; open another one for the next.");
    this.#isBusy = true;
  }

  #follow(caller: Caller, runId: string, after: number): void {
    const connection = this.#connection;
    if (!connection.isOpen) return;
    this.#leave = this.#parts.feeds.watch(caller.principal.tenantId, runId, after, {
      get isFull() {
        return connection.isFull;
      },
      room: () => connection.room(),
      deliver: (event) => connection.send(event.frame("flat", flatFrame)),
      ended: (error) => {
        if (error === undefined) connection.close(CLOSE.ended, "The run has ended.");
        else connection.close(CLOSE.failed, "The log could not be read: connect again and resume.");
      },
    });
  }

  #refuse(error: ProblemMessage): void {
    this.#connection.send(JSON.stringify({ type: "error", error, data: { error }, timestamp: new Date().toISOString() }));
  }
}

/** @throws PerdureError `request.malformed`. */
function read(text: string): JsonObject {
  try {
    const json: unknown = JSON.parse(text);
    if (isObject(json)) return json as JsonObject;
  } catch {
    // Said below.
  }
  throw new PerdureError("request.malformed", "The message is no JSON object.");
}

/** Flat, as one documented client reads it, and with `data` and `timestamp`, as the other does. What a node is of is `node_type`, since `type` is what happened. */
function flatFrame(stored: StoredEvent): Frame {
  const { type: nodeType, ...fields } = eventJson(stored) as JsonObject;
  const data = { ...fields, ...(nodeType !== undefined && { node_type: nodeType }) };
  return frameOf({ ...data, type: stored.kind, id: stored.seq, execution_id: stored.run_id, data, timestamp: stored.at });
}
