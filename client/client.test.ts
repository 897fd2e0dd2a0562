import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { ApiError, type Client, type ClientOptions, ConnectionError, createClient, memorySession } from "./index.ts";

interface Call {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: unknown;
}
type Answer = (response: ServerResponse, call: Call) => void;

const ID = "019ab1c0-0000-7000-8000-000000000000";
const FAST: ClientOptions["retry"] = { initialDelayMs: 1, maxDelayMs: 5 };
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server that gives its answers in turn, the last again and again. */
async function serve(...answers: Answer[]): Promise<{ calls: Call[]; url: string; client(options?: Partial<ClientOptions>): Client }> {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => (text += chunk.toString()));
    request.on("end", () => {
      const call = { method: request.method ?? "", path: request.url ?? "", headers: request.headers, body: text === "" ? undefined : JSON.parse(text) };
      calls.push(call);
      (answers[calls.length - 1] ?? (answers.at(-1) as Answer))(response, call);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { calls, url, client: (options = {}) => createClient({ url, token: "a-token", retry: FAST, ...options }) };
}

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (response) =>
    void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
const problem = (status: number, code: string, headers: Record<string, string> = {}, more: object = {}): Answer =>
  json(
    status,
    { type: `urn:perdure:problem:${code}`, title: "", status, detail: `It is ${code}.`, code, correlation_id: "c-1", ...more },
    {
      "content-type": "application/problem+json",
      ...headers,
    },
  );
const broken: Answer = (response) => void response.socket?.destroy();
const tokens = (name: string) => ({ access_token: `access-${name}`, refresh_token: `refresh-${name}`, token_type: "bearer", expires_in: 1800 });
const event = (seq: number, kind: string) => `id: ${seq}\nevent: ${kind}\ndata: ${JSON.stringify({ seq, kind, run_id: ID, at: "2026-01-01T00:00:00Z" })}\n\n`;
const events =
  (...parts: string[]): Answer =>
  (response) =>
    void response.writeHead(200, { "content-type": "text/event-stream", "x-execution-id": ID }).end(parts.join(""));

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => expect.fail(`answered ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

describe("a call", () => {
  test("D9: When an operation is called, then path, query, headers and body are as the contract has them", async () => {
    const { calls, client } = await serve(json(200, {}));
    await client().call("replaceWorkflow", { params: { id: "a/b" }, headers: { "if-match": '"3"' }, body: { name: "N" } });
    await client().call("listExecutions", { query: { status: ["failed", "cancelled"], from: new Date(0), limit: 3, cursor: undefined } });
    expect(calls[0]).toMatchObject({ method: "PUT", path: "/api/v1/workflows/a%2Fb", body: { name: "N" } });
    expect(calls[0]?.headers).toMatchObject({ "if-match": '"3"', authorization: "Bearer a-token", "content-type": "application/json" });
    expect(calls[1]?.path).toBe("/api/v1/executions?status=failed%2Ccancelled&from=1970-01-01T00%3A00%3A00.000Z&limit=3");
  });

  test.each(["", ".", ".."])("D9 F1: When an id is %j, then no other operation is called instead", async (id) => {
    const { calls, client } = await serve(json(200, {}));
    expect(await rejection(client().call("deleteWorkflow", { params: { id } }))).toBeInstanceOf(TypeError);
    expect(calls).toEqual([]);
  });

  test.each(["getWorkflw", "toString", "__proto__"])("D9: When there is no operation %j, then the error names it and nothing is sent", async (name) => {
    const { calls, client } = await serve(json(200, {}));
    const { call, send } = client();
    for (const asked of [call, send]) {
      const error = await rejection((asked as (name: string) => Promise<unknown>)(name));
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toContain(`no operation \`${name}\``);
    }
    expect(calls).toEqual([]);
  });

  test("D9: When the API refuses, then the error has code, findings and correlation id", async () => {
    const errors = [{ code: "node.unknown_type", message: "There is no such type.", node_id: "a" }];
    const { client } = await serve(problem(422, "graph.invalid", {}, { errors }));
    const error = await rejection(client().workflows.get(ID));
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 422, code: "graph.invalid", message: "It is graph.invalid.", errors, correlationId: "c-1" });
  });

  test("D9: When something else than the API answers, then the error says so", async () => {
    const page: Answer = (response) => void response.writeHead(200, { "content-type": "text/html" }).end("<html>");
    const { client } = await serve(page);
    expect(await rejection(client().workflows.get(ID))).toMatchObject({
      code: "http.unexpected_answer",
      message: expect.stringContaining("text/html") as string,
    });
    const gateway = await serve((response) => void response.writeHead(500).end("oops"));
    expect(await rejection(gateway.client().workflows.get(ID))).toMatchObject({ code: "http.500", message: expect.stringContaining("oops") as string });
  });

  test("D9: When the caller gives up, then the call ends with the reason and is not made again", async () => {
    const { calls, client } = await serve(() => undefined);
    const reason = new Error("enough");
    const leave = new AbortController();
    setTimeout(() => leave.abort(reason), 50);
    expect(await rejection(client().call("getWorkflow", { params: { id: ID } }, { signal: leave.signal }))).toBe(reason);
    expect(calls.length).toBe(1);
  });

  test("D9: When no answer comes in time, then it is asked again, and then it is a ConnectionError", async () => {
    const { calls, client } = await serve(() => undefined);
    const error = await rejection(client({ timeoutMs: 300, retry: { ...FAST, attempts: 2 } }).workflows.get(ID));
    expect(error).toBeInstanceOf(ConnectionError);
    expect((error as Error).message).toContain("within 300 ms");
    expect(calls.length).toBe(2);
  });
});

describe("retries", () => {
  test("D9: When a read finds the API busy, away or breaking off, then it is made again", async () => {
    const half: Answer = (response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" }).write("{");
      setTimeout(() => response.socket?.destroy(), 10);
    };
    const { calls, client } = await serve(problem(503, "database.unavailable"), broken, half, problem(429, "rate.limited"), json(200, { id: ID }));
    expect(await client().workflows.get(ID)).toEqual({ id: ID });
    expect(calls.length).toBe(5);
  });

  test("D9 A8: When a start has to be made again, then under the same Idempotency-Key, and another start has another", async () => {
    const { calls, client } = await serve(broken, problem(503, "temporal.unavailable"), json(201, { id: ID }));
    await client().workflows.start(ID);
    await client().workflows.start(ID);
    const keys = calls.map(({ headers }) => headers["idempotency-key"]);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys).toEqual([keys[0], keys[0], keys[0], expect.not.stringMatching(String(keys[0]))]);
    await client().workflows.start(ID, {}, {}, { idempotencyKey: "order-17" });
    expect(calls.at(-1)?.headers["idempotency-key"]).toBe("order-17");
  });

  test.each([
    ["broken off", broken],
    ["503", problem(503, "database.unavailable")],
    ["429", problem(429, "rate.limited")],
  ] as const)("D9: When what would be done twice is answered %s, then it is not made again", async (_how, answer) => {
    const { calls, client } = await serve(answer, json(201, {}));
    expect(await rejection(client().workflows.create({ name: "N" }))).toBeInstanceOf(Error);
    expect(calls.length).toBe(1);
  });

  test("D9: When the API says for how long, then the client waits for so long, and not at all where it is too long", async () => {
    const { calls, client } = await serve(
      problem(429, "rate.limited", { "retry-after": "1" }),
      json(200, { id: ID }),
      problem(429, "rate.limited", { "retry-after": "3600" }),
    );
    const began = Date.now();
    await client().workflows.get(ID);
    expect(Date.now() - began).toBeGreaterThanOrEqual(990);
    expect(await rejection(client().workflows.get(ID))).toMatchObject({ status: 429, retryAfterMs: 3_600_000 });
    expect(calls.length).toBe(3);
  });

  test.each([400, 403, 404, 409, 422, 500])("D9: When a read is answered %i, then asking again would not help", async (status) => {
    const { calls, client } = await serve(problem(status, "x"));
    await rejection(client().workflows.get(ID));
    expect(calls.length).toBe(1);
  });

  test("D9: When the API stays away, then the last failure is thrown after all attempts", async () => {
    const { calls, client } = await serve(problem(503, "database.unavailable"));
    expect(await rejection(client({ retry: { ...FAST, attempts: 3 } }).workflows.get(ID))).toMatchObject({ status: 503 });
    expect(calls.length).toBe(3);
  });
});

describe("the session", () => {
  test("D9 D1: When the access token is refused, then the tokens are renewed once for all calls, which are made again", async () => {
    let valid = "access-2";
    const answer: Answer = (response, call) => {
      if (call.path === "/api/v1/auth/refresh") return setTimeout(() => json(200, tokens("2"))(response, call), 30) as unknown as void;
      const ok = call.headers.authorization === `Bearer ${valid}`;
      return (ok ? json(200, { id: ID }) : problem(401, "auth.invalid"))(response, call);
    };
    const { calls, client } = await serve(answer);
    const session = memorySession({ access_token: "access-1", refresh_token: "refresh-1", expires_at: Date.now() + 600_000 });
    const user = client({ token: undefined, session });
    await Promise.all([user.workflows.get(ID), user.workflows.create({ name: "N" }), user.workflows.get(ID)]);
    const refreshes = calls.filter(({ path }) => path === "/api/v1/auth/refresh");
    expect(refreshes.map(({ body, headers }) => [body, headers.authorization])).toEqual([[{ refresh_token: "refresh-1" }, undefined]]);
    expect(await session.load()).toMatchObject({ access_token: "access-2", refresh_token: "refresh-2" });
    valid = "nobody's";
    expect(await rejection(user.workflows.get(ID))).toMatchObject({ status: 401 });
  });

  test("D9 D1: When the access token is about to expire, then it is renewed before it is used", async () => {
    const { calls, client } = await serve(json(200, tokens("2")), json(200, { id: ID }));
    const session = memorySession({ access_token: "access-1", refresh_token: "refresh-1", expires_at: Date.now() + 5_000 });
    await client({ token: undefined, session }).workflows.get(ID);
    expect(calls.map(({ path, headers }) => [path, headers.authorization])).toEqual([
      ["/api/v1/auth/refresh", undefined],
      [`/api/v1/workflows/${ID}`, "Bearer access-2"],
    ]);
  });

  test("D9 D1: When renewing breaks off, then the refresh token is not used again", async () => {
    const { calls, client } = await serve(broken);
    const session = memorySession({ access_token: "a", refresh_token: "r", expires_at: 0 });
    expect(await rejection(client({ token: undefined, session, retry: { ...FAST, attempts: 1 } }).workflows.get(ID))).toBeInstanceOf(ConnectionError);
    expect(calls.length).toBe(1);
  });

  test("D9 D1: When the refresh token is refused, then the session has ended", async () => {
    const { calls, client } = await serve(problem(401, "auth.invalid"));
    const session = memorySession({ access_token: "a", refresh_token: "r", expires_at: 0 });
    expect(await rejection(client({ token: undefined, session }).workflows.get(ID))).toMatchObject({ status: 401 });
    expect([await session.load(), calls.length]).toEqual([undefined, 1]);
  });

  test("D9 D1: When clients share a store, then one renews and the others take what it got", async () => {
    const { calls, client } = await serve((response, call) =>
      (call.path === "/api/v1/auth/refresh" ? json(200, tokens("2")) : json(200, { id: ID }))(response, call),
    );
    let turn: Promise<unknown> = Promise.resolve();
    const store = {
      ...memorySession({ access_token: "access-1", refresh_token: "refresh-1", expires_at: 0 }),
      exclusive<T>(work: () => Promise<T>): Promise<T> {
        const mine = turn.then(work);
        turn = mine.catch(() => undefined);
        return mine;
      },
    };
    await Promise.all([1, 2, 3].map(() => client({ token: undefined, session: store }).workflows.get(ID)));
    expect(calls.filter(({ path }) => path === "/api/v1/auth/refresh").length).toBe(1);
    expect(new Set(calls.filter(({ method }) => method === "GET").map(({ headers }) => headers.authorization))).toEqual(new Set(["Bearer access-2"]));
  });
});

describe("paging", () => {
  test("D9: When a list has several pages, then its items come one after the other, and no page is asked for before its time", async () => {
    const page = (items: number[], link?: string): Answer =>
      json(
        200,
        items.map((n) => ({ id: String(n) })),
        link === undefined ? {} : { link },
      );
    const { calls, client } = await serve(
      page([1, 2], '</elsewhere/api/v1/workflows?limit=2&search=x&cursor=c%2F2>; rel="next"'),
      page([3, 4], '<https://other.example/api/v1/workflows?limit=2&search=x&cursor=c3>; rel="next"'),
      page([5]),
    );
    const seen: string[] = [];
    for await (const { id } of client().list("listWorkflows", { query: { limit: 2, search: "x" } })) {
      seen.push(id);
      expect(calls.length).toBe(Math.ceil(seen.length / 2));
    }
    expect(seen).toEqual(["1", "2", "3", "4", "5"]);
    expect(calls.map(({ path }) => path)).toEqual([
      "/api/v1/workflows?limit=2&search=x",
      "/api/v1/workflows?limit=2&search=x&cursor=c%2F2",
      "/api/v1/workflows?limit=2&search=x&cursor=c3",
    ]);
  });
});

describe("streams", () => {
  const collect = async (from: AsyncIterable<{ seq: number }>): Promise<number[]> => {
    const seen: number[] = [];
    for await (const { seq } of from) seen.push(seq);
    return seen;
  };

  test("D9 G1: When a stream breaks off, then it goes on behind the last event, none missing and none twice", async () => {
    const halfway: Answer = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(`retry: 1\n\n${event(1, "run_start")}${event(2, "node_start").slice(0, -20)}`);
      setTimeout(() => response.socket?.destroy(), 20);
    };
    const { calls, client } = await serve(
      halfway,
      broken,
      problem(503, "database.unavailable"),
      events("retry: 1\n\n", event(1, "run_start"), event(2, "node_start")),
      events(event(3, "workflow_complete")),
    );
    expect(await collect(client().stream(ID))).toEqual([1, 2, 3]);
    expect(calls.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "1", "1", "1", "2"]);
  });

  test("D9 G1: When a connection falls silent, then it is given up for another", async () => {
    const silent: Answer = (response) => void response.writeHead(200, { "content-type": "text/event-stream" }).write(`retry: 1\n\n${event(1, "run_start")}`);
    const { calls, client } = await serve(silent, events(event(2, "error")));
    expect(await collect(client().stream(ID, { silenceMs: 50 }))).toEqual([1, 2]);
    expect(calls.length).toBe(2);
  });

  test("D9 G1: When there is nothing more, then the stream ends", async () => {
    const { client } = await serve((response) => void response.writeHead(204).end());
    expect(await collect(client().stream(ID, { after: 9 }))).toEqual([]);
  });

  test("D9 G1: When the API stays away after a stream broke off, then it is tried for as long as is said", async () => {
    const start = events("retry: 1\n\n", event(1, "run_start"));
    const { calls, client } = await serve(start, ...Array.from({ length: 8 }, () => broken), events(event(2, "workflow_complete")));
    const once = client({ retry: { ...FAST, attempts: 1 } });
    expect(await collect(once.stream(ID))).toEqual([1, 2]);
    expect(calls.length).toBe(10);
    const gone = await serve(start, broken);
    const error = await rejection(collect(gone.client({ retry: { ...FAST, attempts: 1 } }).stream(ID, { patienceMs: 40 })));
    expect(error).toBeInstanceOf(ConnectionError);
    expect(gone.calls.length).toBeGreaterThan(3);
  });

  test("D9 G1: When the API does not answer at first, then the stream fails as any read does", async () => {
    const { calls, client } = await serve(broken);
    expect(await rejection(collect(client({ retry: { ...FAST, attempts: 2 } }).stream(ID)))).toBeInstanceOf(ConnectionError);
    expect(calls.length).toBe(2);
  });

  test("D9 G1: When connections bring nothing again and again, then the stream fails", async () => {
    const { client } = await serve(events());
    const error = await rejection(collect(client().stream(ID, { patienceMs: 0 })));
    expect([error instanceof ConnectionError, (error as Error).message]).toEqual([true, expect.stringContaining("again and again")]);
  });

  test("D9 G1: When the reader leaves or gives up, then the connection is closed", async () => {
    let closed = 0;
    const open: Answer = (response) => {
      response.on("close", () => closed++);
      response.writeHead(200, { "content-type": "text/event-stream" }).write(event(1, "run_start"));
    };
    const { client } = await serve(open);
    for await (const _first of client().stream(ID)) break;
    const leave = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => leave.abort(reason), 100);
    expect(await rejection(collect(client().stream(ID, { signal: leave.signal })))).toBe(reason);
    await expect.poll(() => closed).toBe(2);
  });

  test("D9 G1: When a run is started as a stream, then a broken connection is no second start", async () => {
    const start: Answer = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream", "x-execution-id": ID }).write(`retry: 1\n\n${event(1, "run_queued")}`);
      setTimeout(() => response.socket?.destroy(), 20);
    };
    const { calls, client } = await serve(broken, start, events(event(2, "workflow_complete")));
    expect(await collect(client().workflows.stream(ID, { city: "Oslo" }))).toEqual([1, 2]);
    expect(calls.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `POST /api/v1/workflows/${ID}/execute/stream`,
      `POST /api/v1/workflows/${ID}/execute/stream`,
      `GET /api/v1/executions/${ID}/stream`,
    ]);
    expect(calls[0]?.headers["idempotency-key"]).toBe(calls[1]?.headers["idempotency-key"]);
    expect(calls[0]?.body).toEqual({ inputs: { city: "Oslo" } });
  });
});
