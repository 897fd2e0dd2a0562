import { randomBytes } from "node:crypto";
import type { JsonObject } from "#core";
import { createParser } from "eventsource-parser";

export interface Answer<T = JsonObject> {
  status: number;
  headers: Headers;
  body: T;
}

export interface SseEvent {
  id: number;
  kind: string;
  data: JsonObject;
}

/** A user of the REST API, as any HTTP client would be one. */
export class TestClient {
  readonly base: string;
  private token: string | undefined;

  constructor(base: string, token?: string) {
    this.base = base;
    this.token = token;
  }

  /** A new user in an organization of their own. */
  static async register(base: string): Promise<TestClient> {
    const email = `user-${randomBytes(6).toString("hex")}@example.com`;
    const password = "correct horse battery";
    const client = new TestClient(base);
    const registered = await client.post("/api/v1/auth/register", { email, password, name: "Test User" });
    if (registered.status !== 201) throw new Error(`register answered ${registered.status}: ${JSON.stringify(registered.body)}`);
    const login = await client.post("/api/v1/auth/login", { email, password });
    client.token = login.body["access_token"] as string;
    return client;
  }

  get accessToken(): string {
    return this.token ?? "";
  }

  /** The same user at another api process. */
  at(base: string): TestClient {
    return new TestClient(base, this.token);
  }

  get<T = JsonObject>(path: string): Promise<Answer<T>> {
    return this.request<T>("GET", path);
  }

  post<T = JsonObject>(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Answer<T>> {
    return this.request<T>("POST", path, body, headers);
  }

  async request<T = JsonObject>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> {
    const response = await fetch(new URL(path, this.base), {
      method,
      headers: { ...(body !== undefined && { "content-type": "application/json" }), ...(this.token && { authorization: `Bearer ${this.token}` }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: (text === "" ? null : JSON.parse(text)) as T };
  }

  /** Saves a workflow; fails the test when it has problems. */
  async saveWorkflow(flowData: unknown, name = "Test workflow"): Promise<string> {
    const saved = await this.post("/api/v1/workflows", { name, flow_data: flowData });
    if (saved.status !== 201) throw new Error(`save answered ${saved.status}: ${JSON.stringify(saved.body)}`);
    return saved.body["id"] as string;
  }

  /** Starts a run and gives its id. */
  async start(workflowId: string, inputs: unknown = {}): Promise<string> {
    const started = await this.post(`/api/v1/workflows/${workflowId}/execute`, { inputs });
    if (started.status !== 201) throw new Error(`execute answered ${started.status}: ${JSON.stringify(started.body)}`);
    return started.body["execution_id"] as string;
  }

  async run(runId: string): Promise<JsonObject> {
    return (await this.get(`/api/v1/executions/${runId}`)).body;
  }

  /** Asks until the run has one of these statuses. Survives an api that is away. */
  async until(runId: string, statuses: readonly string[], withinMs = 60_000): Promise<JsonObject> {
    const deadline = Date.now() + withinMs;
    let last: JsonObject = {};
    while (Date.now() < deadline) {
      try {
        last = await this.run(runId);
        if (statuses.includes(last["status"] as string)) return last;
      } catch {
        // The api is being started again.
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`run ${runId} did not become ${statuses.join("/")} within ${withinMs} ms; it is ${JSON.stringify(last).slice(0, 1000)}`);
  }

  ended(runId: string, withinMs?: number): Promise<JsonObject> {
    return this.until(runId, ["completed", "failed", "cancelled", "timed_out"], withinMs);
  }

  /** By node id; in bodies by `iteration:id`. */
  async nodeStatuses(runId: string): Promise<Record<string, string>> {
    const { body } = await this.get<JsonObject[]>(`/api/v1/executions/${runId}/nodes`);
    return Object.fromEntries(
      body.map((row) => [
        row["iteration"] === "" ? (row["node_id"] as string) : `${row["iteration"] as string}:${row["node_id"] as string}`,
        row["status"] as string,
      ]),
    );
  }

  /** Reads the run's stream until it ends or breaks; hands every event to `onEvent`, which may return false to leave. */
  async stream(runId: string, after: number, onEvent: (event: SseEvent) => boolean | void): Promise<"ended" | "broken"> {
    const leave = new AbortController();
    let left = false;
    try {
      const response = await fetch(new URL(`/api/v1/executions/${runId}/stream`, this.base), {
        headers: { accept: "text/event-stream", authorization: `Bearer ${this.token}`, ...(after > 0 && { "last-event-id": String(after) }) },
        signal: leave.signal,
      });
      if (!response.ok || !response.body) throw new Error(`stream answered ${response.status}`);
      const parser = createParser({
        onEvent: ({ id, event, data }) => {
          if (!left && onEvent({ id: Number(id), kind: event ?? "", data: JSON.parse(data) as JsonObject }) === false) {
            left = true;
            leave.abort();
          }
        },
      });
      const decoder = new TextDecoder();
      for await (const chunk of response.body) parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }));
      return "ended";
    } catch {
      return left ? "ended" : "broken";
    }
  }
}
