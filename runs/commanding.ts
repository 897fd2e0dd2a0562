import { ApplicationFailure, WorkflowNotFoundError, WorkflowUpdateFailedError } from "@temporalio/client";
import { eventKey, type Finding, isClosed, isFailureCode, type Json, PerdureError, type TenantId, uuidv7 } from "#core";
import type { CommandRow, Database } from "#db";
import type { Logger } from "#platform";
import type { Command } from "#workflows/messages";
import { TERMINATED_BY_US } from "./ending.ts";
import { isSilence } from "./temporal-errors.ts";
import type { TemporalRuns } from "./temporal.ts";
import type { Approval, FeedingCall, Run, Runs } from "./types.ts";

export type RunCommand = Parameters<Runs["command"]>[2];
export type Delivery = "applied" | "refused" | "kept";

export interface CommandingOptions {
  db: Pick<Database, "runs" | "commands" | "approvals" | "log" | "admission">;
  temporal: TemporalRuns;
  runs: Pick<Runs, "waitForEnd" | "reconcile">;
  /** A run may have its slot now. */
  serve(): void;
  /** COMMAND_WAIT_MS. */
  waitMs: number;
  logger: Logger;
}

export interface Commanding {
  command: Runs["command"];
  /** Sends a stored command (again). `kept`: nobody took it yet. */
  deliver(row: Pick<CommandRow, "id" | "tenantId" | "runId" | "command" | "by" | "at">): Promise<Delivery>;
}

/** Type of the failure by which Temporal rejects an update that no worker has looked at. */
const UNPROCESSED = "UnprocessedUpdate";
/** A move that is sent again is there already, and answered once the run has moved: it is looked at, not waited for. */
const LOOK_FOR_MOVE_MS = 500;
/** Reasons are shown in Temporal; they are cut to what fits a line. */
const REASON_CHARACTERS = 200;

export function createCommanding({ db, temporal, runs, serve, waitMs, logger }: CommandingOptions): Commanding {
  /** Hands the command over and settles its row. @throws PerdureError when it was refused, `undefined` when nobody took it. */
  async function send(
    tenant: TenantId,
    runId: string,
    row: { id: string; command: RunCommand; by: string; at: Date },
    timeoutMs: number,
  ): Promise<"applied" | "kept"> {
    const { id, command, by, at } = row;
    const ends = command.kind === "cancel" || command.kind === "terminate";
    let version: number | undefined;
    try {
      // Before it is sent: what ends a run closes its log, perhaps before this process could say who asked for it.
      if (ends) await record(tenant, runId, row);
      if (await toQueued(tenant, runId, command)) {
        // It has never reached Temporal.
      } else if (command.kind === "cancel") {
        await temporal.cancel(tenant, runId);
      } else if (command.kind === "terminate") {
        await temporal.terminate(tenant, runId, `${TERMINATED_BY_US} ${by}${command.reason ? `: ${command.reason}` : ""}`.slice(0, REASON_CHARACTERS));
      } else {
        version = await temporal.update(tenant, runId, { command_id: id, by, at: at.toISOString(), command }, timeoutMs);
      }
    } catch (error) {
      // Nor did it go out while the database, which the codec needs, was away.
      if (isSilence(error) || (error instanceof PerdureError && error.retryable)) return "kept";
      const refusal = await refusalOf(error, tenant, runId);
      if (!refusal || (await isAheadOf(tenant, runId, command, refusal))) return "kept";
      await db.commands.settle(tenant, id, "refused", refusal.toValue() as unknown as Json);
      throw refusal;
    }
    if (!ends) await record(tenant, runId, row);
    if (command.kind === "answer") await answered(tenant, runId, command);
    if (command.kind === "migrate") await db.runs.setVersion(tenant, runId, version ?? command.version);
    await db.commands.settle(tenant, id, "applied", null);
    return "applied";
  }

  /** What can be done to a run that waits for its slot is done to its place in the queue. False where it does not wait for one. */
  async function toQueued(tenant: TenantId, runId: string, { kind }: RunCommand): Promise<boolean> {
    if (kind !== "cancel" && kind !== "terminate" && kind !== "pause" && kind !== "resume") return false;
    if ((await db.runs.get(tenant, runId))?.slot?.state !== "queued") return false;
    if (kind === "cancel" || kind === "terminate") {
      const message = kind === "cancel" ? "The run was cancelled before it began." : "The run was terminated before it began.";
      const error = { code: "run.cancelled", message, retryable: false };
      return (await db.admission.withdraw(tenant, runId, { status: "cancelled", error, at: new Date() })) !== undefined;
    }
    const isQueued = await db.admission.setPaused(tenant, runId, kind === "pause");
    if (isQueued && kind === "resume") serve();
    return isQueued;
  }

  /**
   * A wait is shown once its fact is in the log; where the worker died before Temporal heard of it, the workflow has yet to come to the wait again,
   * and an answer that was taken by then must not be lost.
   */
  async function isAheadOf(tenant: TenantId, runId: string, command: RunCommand, refusal: PerdureError): Promise<boolean> {
    if (command.kind !== "answer" || refusal.code !== "run.state") return false;
    return (await db.approvals.forNode(tenant, runId, command.node_id, command.iteration))?.status === "pending";
  }

  async function record(tenant: TenantId, runId: string, { id, command, by, at }: { id: string; command: RunCommand; by: string; at: Date }): Promise<void> {
    const node = "node_id" in command ? { node_id: command.node_id, iteration: command.iteration } : {};
    const event = {
      run_id: runId,
      key: eventKey("command", "", "", 0, id),
      kind: "command" as const,
      at: at.toISOString(),
      ...node,
      data: { command: command.kind, by, at: at.toISOString(), ...particulars(command) },
    };
    await db.log.append([{ tenantId: tenant, event }]);
  }

  async function answered(tenant: TenantId, runId: string, { node_id, iteration, answer }: Extract<Command, { kind: "answer" }>): Promise<void> {
    const approval = await db.approvals.forNode(tenant, runId, node_id, iteration);
    if (!approval) return;
    const { decision, data, comment, by, at } = answer;
    await db.approvals.answered(tenant, approval.id, { decision, data: data ?? null, comment: comment ?? null, by, at: new Date(at) });
  }

  /** What to tell of an error that means no; undefined where the run has not reached Temporal yet, or its worker has passed the command over. */
  async function refusalOf(error: unknown, tenant: TenantId, runId: string): Promise<PerdureError | undefined> {
    if (error instanceof WorkflowNotFoundError) {
      const standing = await db.runs.standing(tenant, runId);
      if (standing && !standing.started && !isClosed(standing.run.status)) return undefined;
      const run = await runs
        .reconcile(tenant, runId)
        .catch((cause: unknown) => logger.warn({ err: cause, run_id: runId }, "a closed run could not be reconciled"));
      return closedError(run ? run.status : "closed");
    }
    if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) {
      const { type, message, details } = error.cause;
      if (type && isFailureCode(type)) return new PerdureError(type, message, { findings: findingsOf(details?.[0]), cause: error });
      if (type === "AcceptedUpdateCompletedWorkflow") return closedError("closed");
      // Of Temporal itself: the worker knew the update from a workflow task that was lost, and completed the next one without a word of it.
      if (type === UNPROCESSED) return undefined;
    }
    return new PerdureError("internal", "The command could not be carried out.", { cause: error });
  }

  return {
    async command(tenant, runId, command, by, timeoutMs = waitMs, call) {
      const deadline = Date.now() + timeoutMs;
      const run = await db.runs.get(tenant, runId);
      if (!run) throw new PerdureError("resource.not_found", "There is no such run.");
      if (isClosed(run.status)) throw closedError(run.status);
      if (command.kind === "answer") checkApproval(await db.approvals.forNode(tenant, runId, command.node_id, command.iteration));
      const row = { id: uuidv7(), runId, command, by, at: new Date() };
      await insert(tenant, row, call);
      const outcome = await send(tenant, runId, row, timeoutMs);
      const ends = command.kind === "cancel" || command.kind === "terminate";
      const remaining = deadline - Date.now();
      if (outcome === "applied" && ends && remaining > 0) return { outcome, run: await runs.waitForEnd(tenant, runId, remaining) };
      return { outcome, run: (await db.runs.get(tenant, runId)) ?? run };
    },

    async deliver({ id, tenantId, runId, command: given, by, at }) {
      const run = await db.runs.get(tenantId, runId);
      const command = given as unknown as RunCommand;
      if (run && isClosed(run.status) && command.kind === "migrate" && run.version === command.version) {
        await db.commands.settle(tenantId, id, "applied", null);
        return "applied";
      }
      if (!run || isClosed(run.status)) {
        await db.commands.settle(tenantId, id, "refused", closedError(run?.status ?? "closed").toValue() as unknown as Json);
        return "refused";
      }
      try {
        return await send(tenantId, runId, { id, command, by, at }, command.kind === "migrate" ? Math.min(waitMs, LOOK_FOR_MOVE_MS) : waitMs);
      } catch (error) {
        if (error instanceof PerdureError && !error.retryable) return "refused";
        throw error;
      }
    },
  };

  async function insert(
    tenant: TenantId,
    row: { id: string; runId: string; command: RunCommand; by: string; at: Date },
    call: FeedingCall | undefined,
  ): Promise<void> {
    const { command, runId } = row;
    const exclusiveKey =
      command.kind === "answer" ? `${runId}:${command.node_id}:${command.iteration}` : command.kind === "cancel" ? `${runId}::cancel` : undefined;
    try {
      await db.commands.insert(tenant, {
        ...row,
        command: command as unknown as Json,
        ...(exclusiveKey !== undefined && { exclusiveKey }),
        ...(call && { call }),
      });
    } catch (error) {
      if (command.kind === "cancel" && error instanceof PerdureError && error.code === "approval.answered") {
        throw new PerdureError("run.state", "The run is being cancelled already.", { cause: error });
      }
      throw error;
    }
  }
}

/** What of a command is told in the log: names, never values. */
function particulars(command: RunCommand): Record<string, Json> {
  switch (command.kind) {
    case "set_variable":
      return { name: command.name };
    case "send_event":
      return { name: command.name, ...(command.correlation !== undefined && { correlation: command.correlation }) };
    case "complete_node":
      return command.route === undefined ? {} : { route: command.route };
    case "migrate":
      return { version: command.version };
    default:
      return {};
  }
}

function checkApproval(approval: Approval | undefined): void {
  if (!approval || approval.status === "pending") return;
  if (approval.status === "answered") throw new PerdureError("approval.answered", "This has been answered already.");
  throw new PerdureError("run.state", `This no longer waits for an answer: it is ${approval.status}.`);
}

function closedError(status: Run["status"] | "closed"): PerdureError {
  return new PerdureError("run.closed", `The run is ${status}; it takes no more commands.`);
}

function findingsOf(details: unknown): Finding[] {
  return Array.isArray(details) ? (details as Finding[]) : [];
}
