import { createParser } from "eventsource-parser";
import { setTimeout as sleep } from "node:timers/promises";

export interface RunView {
  id: string;
  status: string;
  outputs: unknown;
  error: { message: string } | null;
  links: { temporal_ui: string };
}

export interface StreamEvent {
  kind: string;
  node_id?: string;
  [field: string]: unknown;
}

/** The API answered with an error. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, what: string, detail: string) {
    super(`${what} answered ${status}: ${detail}`);
    this.status = status;
  }
}

const RECONNECT_MS = 500;

/** The REST API as a user of it sees it: what the example does, anybody can do. */
export class DemoClient {
  readonly #base: () => string;
  #token = "";

  /** The address is asked for each time: the api may move while it is restarted. */
  constructor(base: () => string) {
    this.#base = base;
  }

  async register(account: { email: string; password: string; name: string }): Promise<void> {
    await this.#json("POST", "/api/v1/auth/register", account);
  }

  async login(account: { email: string; password: string }): Promise<void> {
    this.#token = (await this.#json<{ access_token: string }>("POST", "/api/v1/auth/login", account)).access_token;
  }

  async saveWorkflow(workflow: object): Promise<{ id: string; problems?: { message: string }[] }> {
    return this.#json("POST", "/api/v1/workflows", workflow);
  }

  async hasWorkflow(id: string): Promise<boolean> {
    return this.#json("GET", `/api/v1/workflows/${id}`).then(
      () => true,
      (error: unknown) => {
        if (error instanceof ApiError && error.status === 404) return false;
        throw error;
      },
    );
  }

  async execute(workflowId: string, inputs: object): Promise<RunView> {
    return this.#json("POST", `/api/v1/workflows/${workflowId}/execute`, { inputs });
  }

  async run(id: string): Promise<RunView> {
    return this.#json("GET", `/api/v1/executions/${id}`);
  }

  /** The run's events until it ends; goes on by Last-Event-ID when the connection breaks. */
  async *events(runId: string, signal: AbortSignal): AsyncGenerator<StreamEvent> {
    let last = "";
    while (!signal.aborted) {
      try {
        for await (const { id, event } of this.#stream(`/api/v1/executions/${runId}/stream`, last, signal)) {
          if (id !== undefined) last = id;
          yield event;
          if (event.kind === "workflow_complete" || event.kind === "error") return;
        }
      } catch (error) {
        if (error instanceof ApiError && error.status < 500) throw error;
      }
      await sleep(RECONNECT_MS, undefined, { signal }).catch(() => {});
    }
  }

  async *#stream(path: string, last: string, signal: AbortSignal): AsyncGenerator<{ id: string | undefined; event: StreamEvent }> {
    const answer = await fetch(new URL(path, this.#base()), {
      signal,
      headers: { authorization: `Bearer ${this.#token}`, accept: "text/event-stream", ...(last !== "" && { "last-event-id": last }) },
    });
    if (!answer.ok || answer.body === null) throw new ApiError(answer.status, path, await answer.text());
    const arrived: { id: string | undefined; event: StreamEvent }[] = [];
    const parser = createParser({ onEvent: ({ id, event, data }) => arrived.push({ id, event: { ...(JSON.parse(data) as object), kind: event ?? "" } }) });
    const decoder = new TextDecoder();
    for await (const chunk of answer.body) {
      parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }));
      yield* arrived.splice(0);
    }
  }

  async #json<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await fetch(new URL(path, this.#base()), {
      method,
      headers: { ...(body && { "content-type": "application/json" }), ...(this.#token !== "" && { authorization: `Bearer ${this.#token}` }) },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new ApiError(answer.status, `${method} ${path}`, detailOf(text));
    return JSON.parse(text) as T;
  }
}

function detailOf(text: string): string {
  try {
    const { detail, title } = JSON.parse(text) as { detail?: string; title?: string };
    return detail ?? title ?? text;
  } catch {
    return text;
  }
}
