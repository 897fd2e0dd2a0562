import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type JsonObject, uuidv7 } from "#core";
import { TestClient, type SseEvent } from "../support/client.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import type { RunningProcess } from "../support/processes.ts";
import { TestSocket } from "../support/socket.ts";

const STEPS = 24;
const RECONNECTS = 20;

let perdure: Perdure;

beforeAll(async () => {
  perdure = await startPerdure();
});
afterAll(async () => {
  await perdure?.stop();
});

/** Sentences with a rest after each, so that there is time for things to go wrong. */
function story(steps: number, rest: string): JsonObject {
  const nodes: JsonObject[] = [{ id: "start", type: "Start" }];
  const edges: JsonObject[] = [];
  for (let n = 1; n <= steps; n++) {
    nodes.push({ id: `say_${n}`, type: "OpenAINode", data: { inputs: { prompt: `Sentence ${n} of a story about {{inputs.message}} that comes in pieces.` } } });
    nodes.push({ id: `rest_${n}`, type: "Delay", data: { inputs: { duration: rest } } });
    edges.push({ source: n === 1 ? "start" : `rest_${n - 1}`, target: `say_${n}` }, { source: `say_${n}`, target: `rest_${n}` });
  }
  nodes.push({ id: "end", type: "End", data: { inputs: { value: `{{say_${steps}.text}}` } } });
  edges.push({ source: `rest_${steps}`, target: "end" });
  return { nodes, edges };
}

describe("the documented WebSocket of a workflow", () => {
  test("G2 G4: When the documented client executes, then it hears nodes, tokens and the end, flat, and the connection ends", async () => {
    const { user, base } = perdure;
    const workflowId = await user.saveWorkflow(story(2, "100ms"));
    const socket = await TestSocket.open(base, `/api/workflows/${workflowId}/stream?token=${user.accessToken}`);
    socket.send({ action: "execute", inputs: { message: "this data" } });
    expect(await socket.closed).toEqual({ code: 1000, reason: "The run has ended." });
    expect(socket.heard.map(({ id }) => id)).toEqual(socket.heard.map((_message, at) => at + 1));
    expect(socket.all("node_start")).toHaveLength(6);
    expect(socket.all("node_end").find(({ node_id: id }) => id === "say_1")).toMatchObject({
      node_type: "OpenAINode",
      output: { text: expect.stringContaining("this data") },
      data: { node_id: "say_1", output: { text: expect.stringContaining("this data") } },
      timestamp: expect.stringMatching(/Z$/),
    });
    expect(socket.all("token_delta").length).toBeGreaterThan(1);
    const last = socket.heard.at(-1) as JsonObject;
    expect(last).toMatchObject({ type: "workflow_complete", result: expect.stringContaining("this data") });

    // The same run again, from where somebody has left, by the token in the first message.
    const again = await TestSocket.open(base, `/api/v1/workflows/${workflowId}/stream`);
    again.send({ action: "resume", execution_id: last["execution_id"], last_id: 5, token: user.accessToken });
    expect((await again.closed).code).toBe(1000);
    expect(again.heard).toEqual(socket.heard.slice(5));
    // And when all has been heard: nothing more.
    const done = await TestSocket.open(base, `/api/v1/workflows/${workflowId}/stream`, { token: user.accessToken });
    done.send({ action: "resume", execution_id: last["execution_id"], last_id: last["id"] });
    expect((await done.closed).code).toBe(1000);
    expect(done.heard).toEqual([]);
  });

  test("G2 F1: When what is asked for cannot be, then an error says so; who they are not told by then is refused", async () => {
    const { user, base } = perdure;
    const workflowId = await user.saveWorkflow(story(1, "100ms"));
    const stranger = await TestClient.register(base);
    const path = `/api/workflows/${workflowId}/stream`;
    await expect(TestSocket.open(base, path, { token: stranger.accessToken })).rejects.toMatchObject({ status: 404 });
    await expect(TestSocket.open(base, path, { token: "wrong" })).rejects.toMatchObject({ status: 401 });
    const late = await TestSocket.open(base, path);
    late.send({ action: "execute", inputs: {}, token: stranger.accessToken });
    expect((await late.closed).code).toBe(4404);
    expect(late.heard).toMatchObject([{ type: "error", error: { code: "resource.not_found", status: 404 } }]);
    const silent = await TestSocket.open(base, path);
    const forged = await TestSocket.open(base, path);
    forged.send({ action: "execute", inputs: {}, token: "wrong" });
    expect((await forged.closed).code).toBe(4401);
    const { body: key } = await user.post("/api/v1/api-keys", { name: "reader", scopes: ["run.read"] });
    const reader = await TestSocket.open(base, path, { headers: { "x-api-key": String(key["key"]) } });
    reader.send({ action: "execute", inputs: {} });
    expect(await reader.ofType("error")).toMatchObject({ error: { code: "auth.forbidden", status: 403 } });
    reader.send("no json");
    reader.send({ action: "dance" });
    reader.send({ action: "resume", execution_id: uuidv7() });
    await reader.next(() => reader.heard.length === 4);
    expect(reader.heard.map((message) => (message["error"] as JsonObject)["code"])).toEqual([
      "auth.forbidden",
      "request.malformed",
      "validation.failed",
      "resource.not_found",
    ]);
    await reader.close();
    const draft = await user.saveWorkflow({ nodes: [{ id: "a", type: "NoSuchNode" }], edges: [] });
    const broken = await TestSocket.open(base, `/api/v1/workflows/${draft}/stream`, { token: user.accessToken });
    broken.send({ action: "execute", inputs: {} });
    expect(await broken.ofType("error")).toMatchObject({ error: { code: "graph.invalid", errors: [{ node_id: "a", code: "node.unknown_type" }] } });
    await broken.close();
    expect((await silent.closed).code).toBe(4401);
  }, 30_000);

  test("F5: When a run is started on a connection, then the audit log has it as any start", async () => {
    const { user, base } = perdure;
    const workflowId = await user.saveWorkflow(story(1, "100ms"));
    const socket = await TestSocket.open(base, `/api/workflows/${workflowId}/stream`, { token: user.accessToken });
    const execute = { action: "execute", inputs: { message: "x" }, idempotency_key: "once" };
    socket.send(execute);
    socket.send(execute);
    expect(await socket.ofType("error")).toMatchObject({ error: { code: "resource.conflict" } });
    await socket.closed;
    const { execution_id: runId } = socket.heard.at(-1) as JsonObject;
    const { body } = await user.get<JsonObject[]>(`/api/v1/audit-events?resource_id=${String(runId)}`);
    expect(body).toMatchObject([{ action: "executeWorkflow", resource_type: "execution", ip: expect.stringContaining("127.0.0.1") }]);
    const again = await TestSocket.open(base, `/api/workflows/${workflowId}/stream`, { token: user.accessToken });
    again.send(execute);
    await again.closed;
    expect(again.heard.at(-1)?.["execution_id"]).toBe(runId);
  });
});

/** A client of one kind: connects to a process, hears some events after `after`, and leaves; true when it has heard the last. */
type Visit = (base: string, runId: string, after: number, few: number, onEvent: (id: number, kind: string) => void) => Promise<boolean>;

test("G1 G2 G3 K5: When clients reconnect 20 times while apis and workers are killed, then each has the whole sequence once; also the day after", async () => {
  const { user } = perdure;
  const workflowId = await user.saveWorkflow(story(STEPS, "1s"));
  const bases = [perdure.base, ""];
  const apis: (RunningProcess | undefined)[] = [perdure.api, await perdure.startApi({ PORT: "0" })];
  bases[1] = apis[1]?.url as string;
  let { worker } = perdure;
  const runId = await user.start(workflowId, { message: "ships" });

  const isLast = (kind: string): boolean => kind === "workflow_complete" || kind === "error";
  const bySse: Visit = async (base, id, after, few, onEvent) => {
    let heard = 0;
    let ended = false;
    await user.at(base).stream(id, after, (event: SseEvent) => {
      onEvent(event.id, event.kind);
      ended = isLast(event.kind);
      return !ended && ++heard < few;
    });
    return ended;
  };
  const bySocket =
    (path: string, ask: (id: string, after: number) => unknown, eventOf: (message: JsonObject) => JsonObject | undefined): Visit =>
    async (base, id, after, few, onEvent) => {
      const socket = await TestSocket.open(base, path, { token: user.accessToken });
      let heard = 0;
      let ended = false;
      socket.socket.on("message", (text: Buffer) => {
        const event = eventOf(JSON.parse(text.toString()) as JsonObject);
        if (!event || ended || heard >= few) return;
        const kind = String(event["kind"]);
        onEvent(event["id"] as number, kind);
        ended = isLast(kind);
        if (ended || ++heard >= few) socket.socket.close();
      });
      socket.send(ask(id, after));
      await socket.closed;
      return ended;
    };
  const visits: Record<string, Visit> = {
    sse: bySse,
    socket: bySocket(
      `/api/workflows/${workflowId}/stream`,
      (id, after) => ({ action: "resume", execution_id: id, last_id: after }),
      (message) => message,
    ),
    hub: bySocket(
      "/ws",
      (id, after) => ({ type: "Subscribe", data: { topics: [{ topic: `run:${id}`, after }] } }),
      (message) => (message["type"] === "Event" ? (message["data"] as JsonObject) : undefined),
    ),
  };

  const seen: Record<string, number[]> = {};
  const kinds = new Map<number, string>();
  const follow = async (name: string, visit: Visit): Promise<number> => {
    const ids: number[] = (seen[name] = []);
    let connects = 0;
    for (let at = 0; ; at++) {
      const few = connects < RECONNECTS ? 1 + (at % 6) : Infinity;
      const before = ids.length;
      const last = await visit(bases[at % 2] as string, runId, ids.at(-1) ?? 0, few, (id, kind) => {
        ids.push(id);
        kinds.set(id, kind);
      }).catch(() => false);
      if (ids.length > before) connects++;
      if (last) break;
      if (ids.length === before) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return connects;
  };

  /** Kills a process again and again, as long as the run goes on. */
  let kills = 0;
  const keepKilling = async (everyMs: number, killed: () => RunningProcess, replace: () => Promise<void>): Promise<void> => {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, everyMs));
      if ([...kinds.values()].some(isLast)) return;
      killed().kill9();
      await killed().exited;
      await replace();
      kills++;
    }
  };
  const killApi = (at: number, everyMs: number): Promise<void> =>
    keepKilling(
      everyMs,
      () => apis[at] as RunningProcess,
      async () => {
        apis[at] = await perdure.startApi({ PORT: new URL(bases[at] as string).port });
      },
    );
  const killWorker = keepKilling(
    5_000,
    () => worker,
    async () => {
      worker = await perdure.startWorker();
    },
  );

  const killing = Promise.all([killApi(0, 1_500), killApi(1, 3_000), killWorker]);
  const connects = await Promise.all(Object.entries(visits).map(([name, visit]) => follow(name, visit)));
  await killing;
  const last = Math.max(...kinds.keys());
  const whole = Array.from({ length: last }, (_, at) => at + 1);
  expect(seen).toEqual({ sse: whole, socket: whole, hub: whole });
  expect(Math.min(...connects)).toBeGreaterThan(RECONNECTS);
  expect(kills).toBeGreaterThanOrEqual(5);
  expect(kinds.get(last)).toBe("workflow_complete");
  process.stdout.write(`${last} events, ${kills} kills, connections with events: ${connects.join(", ")}\n`);

  // The day after: nothing of yesterday's processes is left.
  await Promise.all([...apis.map((api) => api?.stop()), worker.stop()]);
  const api = await perdure.startApi({ PORT: "0" });
  for (const [name, visit] of Object.entries(visits)) {
    const ids: number[] = [];
    expect(await visit(api.url as string, runId, 0, Infinity, (id) => ids.push(id))).toBe(true);
    expect(ids, name).toEqual(whole);
  }
}, 240_000);
