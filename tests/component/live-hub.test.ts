import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { type EventKind, type JsonObject, eventKey, tenantId, type TenantId, uuidv7 } from "#core";
import { type Database, openDatabase } from "#db";
import { TestClient } from "#tests/client.ts";
import { type TestDatabase, createTestDatabase } from "#tests/database.ts";
import { testPayloadKeys } from "#tests/payloads.ts";
import { type RunningProcess, startApi } from "#tests/processes.ts";
import { type Refused, TestSocket } from "#tests/socket.ts";
import { until } from "#tests/until.ts";
import type { StartRun } from "../../runs/types.ts";

let database: TestDatabase;
let db: Database;
let env: Record<string, string>;
const started: RunningProcess[] = [];
let one: string;
let two: string;
let user: TestClient;
let tenant: TenantId;
let userId: string;

async function start(more: Record<string, string> = {}): Promise<RunningProcess & { url: string }> {
  const running = await startApi({ ...env, ...more });
  started.push(running);
  return running as RunningProcess & { url: string };
}

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 5 });
  env = {
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: inject("temporalAddress"),
    TEMPORAL_TASK_QUEUE: `test-${randomBytes(6).toString("hex")}`,
    QDRANT_URL: inject("qdrantUrl"),
    JWT_SECRET_KEY: randomBytes(32).toString("hex"),
    PAYLOAD_KEYS: testPayloadKeys(),
    PORT: "0",
    SHUTDOWN_GRACE_MS: "5000",
    LIVE_SLOW_READER_MS: "1500",
    LIVE_RECHECK_INTERVAL_MS: "1000",
    STREAM_REAUTHORIZE_INTERVAL_MS: "1000",
    LIVE_PRESENCE_MS: "6000",
    LIVE_QUEUE_MAX_BYTES: "65536",
  };
  const [first, second] = [await start(), await start({ LIVE_SLOW_READER_MS: "60000" })];
  one = first.url;
  two = second.url;
  user = await TestClient.register(one);
  const { body } = await user.get<{ id: string; organization: { id: string } }>("/api/v1/auth/me");
  tenant = tenantId(body.organization.id);
  userId = body.id;
});

afterAll(async () => {
  await Promise.all(started.map((each) => each.stop()));
  await db?.close();
  await database?.drop();
});

const hub = (base: string, token = user.accessToken) => TestSocket.open(base, "/ws", { token });

async function newRun(more: Partial<StartRun> = {}, of: TenantId = tenant): Promise<string> {
  const request: StartRun = {
    workflowId: null,
    workflowName: "w",
    version: null,
    plan: {} as StartRun["plan"],
    inputs: {},
    variables: {},
    entries: [],
    trigger: "api",
    createdBy: userId,
    ...more,
  };
  return (await db.runs.insert(of, uuidv7(), request)).run.id;
}

async function tell(runId: string, kind: EventKind, detail: string | number, data: JsonObject = {}): Promise<void> {
  const at = new Date().toISOString();
  await db.log.append([
    { tenantId: tenant, event: { run_id: runId, key: eventKey(kind, "n", "", 1, detail), kind, at, node_id: "n", iteration: "", attempt: 1, data } },
  ]);
}

const end = (runId: string) => db.runs.close(tenant, runId, { status: "completed", outputs: { done: true }, at: new Date() });
const data = (message: JsonObject) => message["data"] as JsonObject;
const ids = (socket: TestSocket, runId?: string) =>
  socket
    .all("Event")
    .filter((message) => runId === undefined || data(message)["run_id"] === runId)
    .map((message) => data(message)["id"]);
const upTo = (last: number, from = 1) => Array.from({ length: last - from + 1 }, (_, at) => at + from);

describe("the handshake", () => {
  test("G3: When nobody, or somebody with a wrong token, connects, then it is refused as any request", async () => {
    await expect(TestSocket.open(one, "/ws")).rejects.toMatchObject({ status: 401, body: { code: "auth.required" } });
    await expect(TestSocket.open(one, "/ws?token=wrong")).rejects.toMatchObject({ status: 401, body: { code: "auth.invalid" } });
    await expect(TestSocket.open(one, "/nowhere", { token: user.accessToken })).rejects.toMatchObject({ status: 404 });
    await expect(TestSocket.open(one, "/api/v1/executions", { token: user.accessToken })).rejects.toMatchObject({ status: 400 });
    expect((await user.get("/ws")).status).toBe(426);
  });

  test("G3: When the token comes as the documented query, as a header or as a subprotocol, then it is taken, and it is in no log", async () => {
    const protocols = ["perdure.v1", `perdure.token.${user.accessToken}`];
    const sockets = [
      await TestSocket.open(one, `/ws?token=${user.accessToken}`),
      await hub(one),
      await TestSocket.open(one, "/ws", { protocols }),
      await TestSocket.open(one, "/ws/", { token: user.accessToken }),
    ];
    for (const socket of sockets) expect(data(await socket.ofType("Welcome"))["user_id"]).toBe(userId);
    expect(sockets[2]?.socket.protocol).toBe("perdure.v1");
    await Promise.all(sockets.map((socket) => socket.close()));
    expect(started[0]?.logs()).toContain('"path":"/ws"');
    expect(started[0]?.logs()).not.toContain(user.accessToken.split(".")[2]);
  });

  test("F4: When a ticket is used, then it opens one connection, at any process, once, and nothing else", async () => {
    const { status, body } = await user.post("/api/v1/live/tickets");
    expect([status, body["expires_in"]]).toEqual([201, 30]);
    const ticket = String(body["ticket"]);
    expect((await new TestClient(two, ticket).get("/api/v1/auth/me")).status).toBe(401);
    const socket = await TestSocket.open(two, `/ws?ticket=${ticket}`);
    await expect(TestSocket.open(two, `/ws?ticket=${ticket}`)).rejects.toMatchObject({ status: 401 });
    await socket.close();
  });

  test("F4: When a page of another origin connects, then it is refused; one of this server is not", async () => {
    await expect(TestSocket.open(one, "/ws", { token: user.accessToken, headers: { origin: "https://evil.example" } })).rejects.toMatchObject({ status: 403 });
    await (await TestSocket.open(one, "/ws", { token: user.accessToken, headers: { origin: new URL(one).origin } })).close();
  });

  test("F4: When there are as many connections as there may be, then the next is told to come again, until one has gone", async () => {
    const { url } = await start({ LIVE_CONNECTIONS_USER_MAX: "2", LIVE_CONNECTIONS_ORGANIZATION_MAX: "2", LIVE_CONNECTIONS_MAX: "3" });
    const sockets = [await hub(url), await hub(url)];
    await expect(hub(url)).rejects.toMatchObject({ status: 429, body: { code: "rate.limited" } });
    const other = await TestClient.register(url);
    const third = await hub(url, other.accessToken);
    await expect(hub(url, other.accessToken)).rejects.toMatchObject({ status: 429 });
    await sockets[0]?.close();
    await until(
      "a place",
      async () =>
        hub(url).then(
          ...([(socket: TestSocket) => socket.close().then(() => true), (error: Refused) => (error.status === 429 ? false : Promise.reject(error))] as const),
        ),
      5_000,
    );
    await Promise.all([sockets[1]?.close(), third.close()]);
  });

  test("F3: When the session of a connection ends or its key is revoked, then the connection ends with 4401", async () => {
    const { body: key } = await user.post("/api/v1/api-keys", { name: "live", scopes: ["live.read", "run.read"] });
    const byKey = await TestSocket.open(one, "/ws", { headers: { "x-api-key": String(key["key"]) } });
    const { url } = await start({ JWT_ACCESS_TOKEN_EXPIRE_MINUTES: "0.06" });
    const short = await TestClient.register(url);
    const ending = await hub(url, short.accessToken);
    expect((await ending.closed).code).toBe(4401);
    await user.request("DELETE", `/api/v1/api-keys/${String(key["id"])}`);
    expect((await byKey.closed).code).toBe(4401);
  }, 30_000);
});

describe("the end of a session or a key", () => {
  const AT_ONCE_MS = 4_000;
  /** What another process remembers of a caller, one interval and slack. */
  const ELSEWHERE_MS = 14_000;
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  /** Somebody in an organization of their own, with a second session, a key, two runs and a webhook. */
  async function somebody() {
    const client = await TestClient.register(one);
    const { body: me } = await client.get<{ id: string; organization: { id: string } }>("/api/v1/auth/me");
    const workflowId = await client.saveWorkflow({ nodes: [{ id: "start", type: "WebhookTrigger" }], edges: [] });
    const { body: hooks } = await client.get<JsonObject[]>(`/api/v1/webhooks?workflow_id=${workflowId}`);
    const { body: key } = await client.post("/api/v1/api-keys", { name: "watches" });
    const of = tenantId(me.organization.id);
    const runs = [await newRun({ trigger: "webhook", createdBy: null }, of), await newRun({ trigger: "schedule", createdBy: null }, of)];
    const { body: sessions } = await client.get<JsonObject[]>("/api/v1/auth/sessions");
    const current = sessions.find((session) => session["is_current"] === true);
    const paths = [...runs.map((id) => `/api/v1/executions/${id}/stream`), `/api/v1/webhooks/${String(hooks[0]?.["id"])}/stream`];
    return { client, workflowId, paths, key: { id: String(key["id"]), secret: String(key["key"]) }, sessionId: String(current?.["id"]) };
  }

  /** Everything that outlives its request, at one process: each with how it ended and when. */
  async function open(base: string, token: string, paths: readonly string[], workflowId: string) {
    const endings: Promise<{ how: number | string; at: number }>[] = [];
    for (const path of ["/ws", `/api/v1/workflows/${workflowId}/stream`]) {
      const socket = await TestSocket.open(base, path, { headers: bearer(token) });
      endings.push(socket.closed.then(({ code }) => ({ how: code, at: Date.now() })));
    }
    for (const path of paths) {
      const response = await fetch(new URL(path, base), { headers: bearer(token) });
      expect(response.status, path).toBe(200);
      endings.push(response.text().then((text) => ({ how: text.includes(": not authorized any more") ? "told" : text, at: Date.now() })));
    }
    return endings;
  }

  test.each(["they sign out everywhere", "their session is ended", "the key is revoked"] as const)(
    "F3 G1 G3: When %s, then the sockets and streams of it end, of runs by webhooks and schedules as well, at every process",
    async (what) => {
      const { client, paths, workflowId, key, sessionId } = await somebody();
      const token = what === "the key is revoked" ? key.secret : client.accessToken;
      const here = await open(one, token, paths, workflowId);
      const elsewhere = await open(two, token, paths, workflowId);
      // Both have asked once by then, and remember the answer.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      const since = Date.now();
      const answer = await {
        "they sign out everywhere": () => client.post("/api/v1/auth/logout-everywhere"),
        "their session is ended": () => client.request("DELETE", `/api/v1/auth/sessions/${sessionId}`),
        "the key is revoked": () => client.request("DELETE", `/api/v1/api-keys/${key.id}`),
      }[what]();
      expect(answer.status).toBe(204);
      for (const [endings, within] of [
        [here, what === "the key is revoked" ? ELSEWHERE_MS : AT_ONCE_MS],
        [elsewhere, ELSEWHERE_MS],
      ] as const) {
        const ended = await Promise.all(endings);
        expect(ended.map(({ how }) => how)).toEqual([4401, 4401, "told", "told", "told"]);
        expect(Math.max(...ended.map(({ at }) => at)) - since).toBeLessThan(within);
      }
    },
    40_000,
  );

  test("F3 F4: When a ticket was asked for before the session ended or the key was revoked, then it opens nothing afterwards", async () => {
    const { client, workflowId, key, sessionId } = await somebody();
    const ticketOf = async (headers: Record<string, string>): Promise<string> => {
      const response = await fetch(new URL("/api/v1/live/tickets", one), { method: "POST", headers });
      expect(response.status).toBe(201);
      return String(((await response.json()) as JsonObject)["ticket"]);
    };
    const bySession = [await ticketOf(bearer(client.accessToken)), await ticketOf(bearer(client.accessToken)), await ticketOf(bearer(client.accessToken))];
    const byKey = [await ticketOf({ "x-api-key": key.secret }), await ticketOf({ "x-api-key": key.secret })];
    const [stillGood = "", ...later] = bySession;
    await (await TestSocket.open(one, `/ws?ticket=${stillGood}`)).close();
    expect((await client.request("DELETE", `/api/v1/api-keys/${key.id}`)).status).toBe(204);
    expect((await client.request("DELETE", `/api/v1/auth/sessions/${sessionId}`)).status).toBe(204);
    for (const [base, ticket = ""] of [
      [one, later[0]],
      [two, later[1]],
      [one, byKey[0]],
      [two, byKey[1]],
    ] as const) {
      const path = base === one ? "/ws" : `/api/v1/workflows/${workflowId}/stream`;
      await expect(TestSocket.open(base, `${path}?ticket=${ticket}`)).rejects.toMatchObject({ status: 401, body: { code: "auth.invalid" } });
    }
  });
});

describe("topics", () => {
  test("G3: When a run is watched at several processes, then each hears all of its events once and in order, from where it asked on", async () => {
    const runId = await newRun();
    for (let n = 2; n <= 5; n++) await tell(runId, "token_delta", n, { text: `${n}` });
    const whole = await hub(one);
    whole.send({ type: "Subscribe", data: { topics: [`run:${runId}`] } });
    const part = await hub(two);
    part.send({ type: "Subscribe", data: { topics: [{ topic: `run:${runId}`, after: 3 }] }, id: "s1" });
    expect(await part.ofType("Subscribed")).toEqual({ type: "Subscribed", data: { topics: [`run:${runId}`] }, id: "s1" });
    for (let n = 6; n <= 40; n++) await tell(runId, "token_delta", n, { text: `${n}` });
    await end(runId);
    await Promise.all([whole.ofType("Ended"), part.ofType("Ended")]);
    expect(ids(whole)).toEqual(upTo(41));
    expect(ids(part)).toEqual(upTo(41, 4));
    expect(whole.all("Event").at(-1)).toMatchObject({ data: { topic: `run:${runId}`, kind: "workflow_complete", result: { done: true } } });
    // The day after: the same from the log.
    const later = await hub(two);
    later.send({ type: "Subscribe", data: { topics: [{ topic: `run:${runId}`, after: 38 }] } });
    await later.ofType("Ended");
    expect(ids(later)).toEqual(upTo(41, 39));
    await Promise.all([whole, part, later].map((socket) => socket.close()));
  });

  test("G3: When all runs of a workflow, of the organization or of oneself are watched, then new and old ones are heard from now on, others' never", async () => {
    const workflowId = await user.saveWorkflow({ nodes: [{ id: "start", type: "Start" }], edges: [] });
    const old = await newRun({ workflowId });
    await tell(old, "token_delta", 2);
    const stranger = await TestClient.register(two);
    const foreign = await hub(two, stranger.accessToken);
    foreign.send({ type: "Subscribe", data: { topics: ["workflow_updates", "user"] } });
    await foreign.ofType("Subscribed");
    const socket = await hub(two);
    socket.send({ type: "Subscribe", data: { topics: [`workflow:${workflowId}`, "organization", "user"] } });
    await socket.ofType("Subscribed");
    await tell(old, "token_delta", 3);
    const fresh = await newRun({ workflowId, createdBy: null });
    const other = await newRun();
    for (const runId of [fresh, other]) for (let n = 2; n <= 4; n++) await tell(runId, "token_delta", n);
    await Promise.all([end(fresh), end(other), end(old)]);
    const of = (topic: string, runId: string) =>
      socket
        .all("Event")
        .filter((message) => data(message)["topic"] === topic && data(message)["run_id"] === runId)
        .map((message) => data(message)["id"]);
    await until("all ends", () => socket.all("Event").filter((message) => data(message)["kind"] === "workflow_complete").length === 7, 10_000);
    expect(of("organization", old)).toEqual([3, 4]);
    expect(of("organization", fresh)).toEqual(upTo(5));
    expect(of("organization", other)).toEqual(upTo(5));
    expect(of(`workflow:${workflowId}`, fresh)).toEqual(upTo(5));
    expect(of(`workflow:${workflowId}`, other)).toEqual([]);
    expect(of("user", other)).toEqual(upTo(5));
    expect(of("user", fresh)).toEqual([]);
    expect(foreign.all("Event")).toEqual([]);

    // Whoever was away names what they have, and hears the rest, each event once.
    const back = await hub(one);
    const running = await newRun({ workflowId });
    await tell(running, "token_delta", 2);
    back.send({
      type: "Subscribe",
      data: { topics: [{ topic: `workflow:${workflowId}`, after: { [old]: 3, [fresh]: 4 }, since: new Date(Date.now() - 60_000).toISOString() }] },
    });
    await back.ofType("Subscribed");
    await Promise.all([tell(running, "token_delta", 3), tell(running, "token_delta", 4)]);
    await end(running);
    await until("the rest", () => ids(back, running).length >= 5, 10_000);
    expect([ids(back, old), ids(back, fresh), ids(back, running)]).toEqual([[4], [5], upTo(5)]);
    await Promise.all([foreign, socket, back].map((each) => each.close()));
  });

  test("F1: When a topic is another organization's or is not there, then it is the same error", async () => {
    const runId = await newRun();
    const stranger = await TestClient.register(one);
    const socket = await hub(one, stranger.accessToken);
    const topics = [`run:${runId}`, `run:${uuidv7()}`, `organization:${tenant}`, `user:${userId}`, "workflow:no-id"];
    socket.send({ type: "Subscribe", data: { topics: [...topics, "no topic!"] } });
    await until("errors", () => socket.all("Error").length === 6, 5_000);
    for (const [at, topic] of topics.entries()) {
      expect(data(socket.all("Error")[at] as JsonObject)).toEqual({ code: "resource.not_found", message: "There is no such topic.", status: 404, topic });
    }
    expect(data(socket.all("Error")[5] as JsonObject)["code"]).toBe("validation.failed");
    socket.send({ type: "Broadcast", data: { topic: `run:${runId}`, payload: 1 } });
    await until("refusal", () => socket.all("Error").length === 7, 5_000);
    expect(data(socket.all("Error")[6] as JsonObject)).toMatchObject({ code: "resource.not_found", status: 404 });
    await socket.close();
  });

  test("G3: When a subscription has rules, then it hears exactly what they let through", async () => {
    const runId = await newRun();
    const socket = await hub(one);
    const topic = `run:${runId}`;
    socket.send({
      type: "Subscribe",
      data: {
        topics: [
          { topic, where: "nothing(" },
          { topic, events: ["no_kind"] },
        ],
      },
    });
    await until("errors", () => socket.all("Error").length === 2, 5_000);
    socket.send({ type: "Subscribe", data: { topics: [{ topic, events: ["token_delta"], where: "event.text.startsWith('yes') && node_id == 'n'" }] } });
    await socket.ofType("Subscribed");
    const everything = await hub(two);
    everything.send({ type: "Subscribe", data: { topics: [{ topic: "organization", where: "kind == 'token_delta' && text == 'yes 3'" }] } });
    await everything.ofType("Subscribed");
    for (const [n, text] of ["yes 2", "yes 3", "no 4", "yes 5"].entries()) await tell(runId, "token_delta", n, { text });
    await tell(runId, "token_delta", "without text");
    await end(runId);
    await socket.ofType("Ended");
    expect(socket.all("Event").map((message) => data(message)["text"])).toEqual(["yes 2", "yes 3", "yes 5"]);
    await until("one", () => everything.all("Event").length > 0, 5_000);
    expect(everything.all("Event").map((message) => data(message)["text"])).toEqual(["yes 3"]);
    await Promise.all([socket, everything].map((each) => each.close()));
  });
});

describe("messages and presence", () => {
  test("G3: When the documented client subscribes and broadcasts, then all who watch hear it, at every process, and no other organization", async () => {
    const sockets = await Promise.all([hub(one), hub(two)]);
    const stranger = await TestClient.register(two);
    const foreign = await hub(two, stranger.accessToken);
    for (const socket of [...sockets, foreign]) {
      socket.send({ type: "Subscribe", data: { topics: ["ai_analysis", "workflow_updates"] } });
      await socket.ofType("Subscribed");
    }
    sockets[0]?.send({ type: "Broadcast", data: { topic: "ai_analysis", payload: { content: "Analyze this text for insights", timestamp: 1 } } });
    for (const socket of sockets) {
      expect(await socket.ofType("Broadcast")).toMatchObject({
        type: "Broadcast",
        data: { topic: "ai_analysis", payload: { content: "Analyze this text for insights" }, from: userId },
      });
    }
    // By REST alike; and what is too large, or is nobody's, is refused.
    expect((await user.post("/api/v1/live/messages", { topic: `user:${userId}`, payload: 1 })).status).toBe(202);
    expect((await user.post("/api/v1/live/messages", { topic: "ai_analysis", payload: "x".repeat(5_000) })).status).toBe(413);
    expect((await user.post("/api/v1/live/messages", { topic: `user:${uuidv7()}`, payload: 1 })).status).toBe(404);
    sockets[1]?.send({ type: "Broadcast", data: { topic: "ai_analysis", payload: "x".repeat(5_000) }, id: 7 });
    expect(await sockets[1]?.ofType("Error")).toMatchObject({ id: "7", data: { code: "request.too_large", status: 413, topic: "ai_analysis" } });
    await user.post("/api/v1/live/messages", { topic: "ai_analysis", payload: "last" });
    await sockets[1]?.next((message) => data(message)["payload"] === "last");
    expect(foreign.all("Broadcast")).toEqual([]);
    await Promise.all([...sockets, foreign].map((each) => each.close()));
  });

  test("G3: When members come and go, then those who ask see it over all processes, each member once, also when a process is killed", async () => {
    const doomed = await start();
    const { body: invitation } = await user.post("/api/v1/invitations", { email: `guest-${randomBytes(4).toString("hex")}@example.com`, role: "viewer" });
    const guest = await user.post("/api/v1/invitations/accept", { token: invitation["token"], password: "correct horse battery", name: "Guest" });
    expect(guest.status).toBeLessThan(300);
    const token = String(guest.body["access_token"]);
    const watcher = await hub(one);
    watcher.send({ type: "Subscribe", data: { topics: ["room"], presence: true } });
    await watcher.next((message) => message["type"] === "Presence" && Array.isArray(data(message)["joined"]));
    const guests = [await hub(two, token), await hub(doomed.url, token)];
    for (const each of guests) {
      each.send({ type: "Subscribe", data: { topics: ["room"] } });
      await each.ofType("Subscribed");
      // It is noted a moment later.
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
    await watcher.next((message) => JSON.stringify(data(message)["joined"] ?? []).includes('"Guest"'));
    const { body } = await user.get<{ total: number; watchers: { name: string }[] }>("/api/v1/live/watchers?topic=room");
    expect([body.total, body.watchers.map(({ name }) => name).toSorted()]).toEqual([2, ["Guest", "Test User"]]);
    // A viewer may watch and not write.
    guests[0]?.send({ type: "Broadcast", data: { topic: "room", payload: 1 } });
    expect(data((await guests[0]?.ofType("Error")) as JsonObject)).toMatchObject({ code: "auth.forbidden", status: 403 });
    await guests[0]?.close();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const left = () => watcher.all("Presence").filter((message) => JSON.stringify(data(message)["left"] ?? []).includes('"Guest"'));
    expect(left()).toHaveLength(0);
    doomed.kill9();
    await until("the guest to be missed", () => left().length === 1, 30_000);
    expect((await user.get<{ total: number }>("/api/v1/live/watchers?topic=room")).body.total).toBe(1);
    await watcher.close();
  }, 60_000);
});

describe("limits", () => {
  let url: string;
  let member: TestClient;

  beforeAll(async () => {
    ({ url } = await start({
      LIVE_TOPICS_MAX: "2",
      LIVE_MESSAGE_MAX_BYTES: "2000",
      LIVE_MESSAGE_RATE: "1/s burst 10",
      RATE_LIMIT_LIVE_MESSAGES: "3/m",
      LIVE_ANONYMOUS_MAX: "1",
      LIVE_PING_INTERVAL_MS: "300",
      LIVE_RESUME_RUNS_MAX: "2",
    }));
    member = await TestClient.register(url);
  });

  test("F4: When a connection asks for more topics, or for more runs, than it may, then it is told so and goes on", async () => {
    const socket = await hub(url, member.accessToken);
    socket.send({ type: "Subscribe", data: { topics: ["a", "b", "c"] } });
    expect(data(await socket.ofType("Error"))).toMatchObject({ topic: "c", code: "rate.limited" });
    expect(data(await socket.ofType("Subscribed"))["topics"]).toEqual(["a", "b"]);
    socket.send({ type: "Unsubscribe", data: { topics: ["a"] } });
    await socket.ofType("Unsubscribed");
    socket.send({ type: "Subscribe", data: { topics: ["c", "b"] } });
    await socket.next((message) => message["type"] === "Subscribed" && (data(message)["topics"] as string[]).includes("c"));
    socket.send({ type: "Unsubscribe", data: { topics: ["b", "c"] } });
    const after = Object.fromEntries([1, 2, 3].map(() => [uuidv7(), 1]));
    socket.send({ type: "Subscribe", data: { topics: [{ topic: "organization", after }] } });
    expect(await socket.next((message) => data(message)["topic"] === "organization")).toMatchObject({ data: { code: "request.too_large" } });
    await socket.close();
  });

  test("F4: When a member sends more messages, or larger or faster ones, than they may, then they are refused", async () => {
    const answers: number[] = [];
    for (let n = 0; n < 4; n++) answers.push((await member.post("/api/v1/live/messages", { topic: "a", payload: n })).status);
    expect(answers).toEqual([202, 202, 202, 429]);
    const large = await hub(url, member.accessToken);
    large.send({ type: "Broadcast", data: { topic: "a", payload: "x".repeat(3_000) } });
    expect((await large.closed).code).toBe(1009);
    const fast = await hub(url, member.accessToken);
    for (let n = 0; n < 12; n++) fast.send({ type: "Ping" });
    expect((await fast.closed).code).toBe(4429);
    expect(fast.all("Pong").length).toBeLessThanOrEqual(10);
  });

  test("F4: When more connect without saying who they are than may, then the next is told to come again", async () => {
    const workflowId = await member.saveWorkflow({ nodes: [{ id: "start", type: "Start" }], edges: [] });
    const nameless = await TestSocket.open(url, `/api/workflows/${workflowId}/stream`);
    await expect(TestSocket.open(url, `/api/workflows/${workflowId}/stream`)).rejects.toMatchObject({ status: 429 });
    nameless.send({ action: "authenticate", token: member.accessToken });
    await nameless.ofType("authenticated");
    const next = await TestSocket.open(url, `/api/workflows/${workflowId}/stream`);
    await Promise.all([nameless.close(), next.close()]);
  });

  test("G3: When a peer does not answer pings, then its connection ends", async () => {
    const socket = await TestSocket.open(url, "/ws", { token: member.accessToken, silent: true });
    expect((await socket.closed).code).toBe(1006);
  });
});

describe("a reader that is slow", () => {
  test("G3: When a reader stops reading, then it alone is dropped; who reads on later misses nothing of a run", async () => {
    const runId = await newRun();
    const topic = `run:${runId}`;
    const [healthy, stopped, paused] = await Promise.all([hub(one), hub(one), hub(one)]);
    for (const socket of [healthy, stopped, paused]) {
      socket.send({ type: "Subscribe", data: { topics: [topic, "noise"] } });
      await socket.ofType("Subscribed");
    }
    stopped.socket.pause();
    paused.socket.pause();
    const text = "x".repeat(200_000);
    let n = 2;
    for (; n <= 60; n++) await tell(runId, "token_delta", n, { text });
    paused.socket.resume();
    for (; n <= 70; n++) await tell(runId, "token_delta", n, { text });
    await healthy.next((message) => data(message)["id"] === 70);
    await paused.next((message) => data(message)["id"] === 70);
    expect(ids(healthy)).toEqual(upTo(70));
    expect(ids(paused)).toEqual(upTo(70));
    await until("the one that stopped to be dropped", () => (started[0]?.logs() ?? "").includes("a reader that was too slow was disconnected"), 10_000);
    expect([healthy.socket.readyState, paused.socket.readyState]).toEqual([1, 1]);
    stopped.socket.resume();
    await stopped.closed;
    const last = ids(stopped).at(-1) as number;
    expect(ids(stopped)).toEqual(upTo(last));
    const again = await hub(one);
    again.send({ type: "Subscribe", data: { topics: [{ topic, after: last }] } });
    await again.next((message) => data(message)["id"] === 70);
    expect(ids(again)).toEqual(upTo(70, last + 1));
    await Promise.all([healthy, paused, again].map((each) => each.close()));
  }, 60_000);

  test("G3: When messages of members come faster than a reader reads, then it is told that it lags, and how many it has missed", async () => {
    const [slow, healthy] = await Promise.all([hub(two), hub(two)]);
    for (const socket of [slow, healthy]) {
      socket.send({ type: "Subscribe", data: { topics: ["noise"] } });
      await socket.ofType("Subscribed");
    }
    slow.socket.pause();
    const payload = "x".repeat(4_000);
    const sent = 3_000;
    for (let at = 0; at < sent; at += 50)
      await Promise.all(
        Array.from({ length: 50 }, () => db.live.tell(JSON.stringify({ message: { id: "i", tenant, topic: "noise", payload, from: userId, at: "" } }))),
      );
    await until("all of them", () => healthy.all("Broadcast").length === sent, 20_000);
    slow.socket.resume();
    const caughtUp = await slow.ofType("CaughtUp");
    const missed = (data(caughtUp)["dropped"] as JsonObject)["noise"] as number;
    expect(missed).toBeGreaterThan(0);
    expect(slow.all("Broadcast").length + missed).toBe(sent);
    expect(slow.all("Lagging").length).toBeGreaterThan(0);
    await Promise.all([slow, healthy].map((each) => each.close()));
  }, 60_000);
});

test("K5: When a process shuts down, then its connections are told to connect again", async () => {
  const api = await start();
  const socket = await hub(api.url);
  const stopping = Date.now();
  const stopped = api.stop();
  expect((await socket.closed).code).toBe(1001);
  await stopped;
  expect(Date.now() - stopping, "nothing has to be cut").toBeLessThan(4_000);
});
