import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import type { SseEvent } from "../support/client.ts";
import { startFakeOpenAi } from "../support/fake-openai.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { until } from "../support/until.ts";

let perdure: Perdure;

beforeAll(async () => {
  perdure = await startPerdure();
});
afterAll(async () => {
  await perdure?.stop();
});

test("G1 A8 G4: When the api dies during a stream, then a client that resumes with Last-Event-ID has every event once, in order", async () => {
  const { user } = perdure;
  // Each part goes on while the api is away, and then waits for a person: however long the api takes to come back, there is something to break off.
  const nodes: JsonObject[] = [{ id: "start", type: "Start" }];
  const edges: JsonObject[] = [];
  for (let n = 1; n <= 4; n++) {
    const say = (more: string) => ({
      type: "OpenAINode",
      data: { inputs: { prompt: `Sentence ${more} of part ${n} of a story that is long enough to come in pieces.` } },
    });
    nodes.push({ id: `say_${n}`, ...say("one") });
    nodes.push({ id: `rest_${n}`, type: "Delay", data: { inputs: { duration: "300ms" } } });
    nodes.push({ id: `more_${n}`, ...say("two") });
    nodes.push({ id: `gate_${n}`, type: "HumanApproval", data: { inputs: { prompt: "Go on?" } } });
    edges.push({ source: n === 1 ? "start" : `gate_${n - 1}`, target: `say_${n}`, ...(n > 1 && { sourceHandle: "approved" }) });
    edges.push({ source: `say_${n}`, target: `rest_${n}` }, { source: `rest_${n}`, target: `more_${n}` }, { source: `more_${n}`, target: `gate_${n}` });
  }
  nodes.push({ id: "end", type: "End" });
  edges.push({ source: "gate_4", target: "end", sourceHandle: "approved" });
  const run = await user.start(await user.saveWorkflow({ nodes, edges }));
  const goOn = async (gate: string) => {
    let open: JsonObject | undefined;
    await until(`${gate} is asked`, async () => {
      const { body } = await user.get<JsonObject[]>(`/api/v1/approvals?execution_id=${run}&status=pending`);
      open = body.find((each) => each["node_id"] === gate);
      return open !== undefined;
    });
    expect((await user.post(`/api/v1/approvals/${open?.["id"] as string}`, { decision: "approved" })).status).toBe(200);
  };

  const seen: SseEvent[] = [];
  let { api } = perdure;
  const breaks = ["say_1", "say_2", "say_3"];
  for (let ended = false; !ended;) {
    const result = await user.stream(run, seen.at(-1)?.id ?? 0, (event) => {
      seen.push(event);
      if (event.kind === "node_end" && event.data["node_id"] === breaks[0]) {
        breaks.shift();
        api.kill9();
      }
      if (event.kind === "waiting" && event.data["node_id"] === "gate_4") void goOn("gate_4");
    });
    ended = result === "ended" && ["workflow_complete", "error"].includes(seen.at(-1)?.kind ?? "");
    if (!ended) {
      await api.exited;
      api = await perdure.startApi();
      await goOn(`gate_${3 - breaks.length}`);
    }
  }
  expect(breaks).toEqual([]);
  expect(seen.map(({ id }) => id)).toEqual(seen.map((_event, at) => at + 1));
  const stored = await user.get<JsonObject[]>(`/api/v1/executions/${run}/events?limit=500`);
  expect(seen.map(({ kind, data }) => [kind, data["node_id"] ?? null])).toEqual(
    stored.body.map((event) => [event["kind"] ?? event["event"], event["node_id"] ?? null]),
  );
  expect(seen[0]?.kind).toBe("run_queued");
  expect(seen.filter(({ kind }) => kind === "token_delta").length).toBeGreaterThan(6);
});

test("G4 B2: When a model streams, then its tokens are in the run's stream before the node ends", async () => {
  const model = await startFakeOpenAi({ reply: "one two three four", delayMs: 150 });
  const worker = { TEMPORAL_TASK_QUEUE: `model-${Date.now()}`, OPENAI_API_KEY: "sk-test", OPENAI_BASE_URL: model.url };
  await perdure.startWorker(worker);
  const api = await perdure.startApi({ ...worker, PORT: "0" });
  const user = perdure.user.at(api.url as string);
  const run = await user.start(
    await user.saveWorkflow({
      nodes: [
        { id: "start", type: "Start" },
        { id: "model", type: "OpenAINode", data: { inputs: { prompt: "{{inputs.question}}", model: "gpt-4o" } } },
        { id: "end", type: "End", data: { inputs: { value: "{{model.text}}" } } },
      ],
      edges: [
        { source: "start", target: "model" },
        { source: "model", target: "end" },
      ],
    }),
    { question: "Count." },
  );
  const events: SseEvent[] = [];
  await user.stream(run, 0, (event) => {
    events.push(event);
  });
  const kinds = events.filter(({ data }) => data["node_id"] === "model").map(({ kind }) => kind);
  expect(kinds[0]).toBe("node_start");
  expect(kinds.at(-1)).toBe("node_end");
  const text = events
    .filter(({ kind }) => kind === "token_delta")
    .map(({ data }) => data["text"])
    .join("");
  expect(text).toBe("one two three four");
  expect(events.at(-1)).toMatchObject({ kind: "workflow_complete", data: { result: "one two three four" } });
  await model.close();
});
