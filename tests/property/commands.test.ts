import { describe, expect, test } from "vitest";
import { call, Drive, graphOf, planOf } from "./drive.ts";

const chain = (extra: Record<string, { type: string; inputs?: unknown; settings?: unknown }>, edges: string[]) =>
  graphOf({ start: { type: "Start" }, ...extra, end: { type: "End" } }, edges);

describe("events (A9)", () => {
  const waiting = (inputs: object) => chain({ a: call, wait: { type: "WaitForEvent", inputs } }, ["start -> a", "a -> wait", "wait -> end"]);

  test("A9: When the event comes while it is waited for, then its payload is the node's value", async () => {
    const drive = new Drive(waiting({ event: "paid", correlation: "order-1" }));
    await drive.until();
    expect(drive.interpreter.snapshot().waits).toMatchObject([{ kind: "event", event: "paid", node_id: "wait" }]);
    expect(drive.interpreter.snapshot().status).toBe("waiting");
    drive.command({ kind: "send_event", name: "other", correlation: "order-1", payload: 1 });
    drive.command({ kind: "send_event", name: "paid", correlation: "order-2", payload: 2 });
    drive.command({ kind: "send_event", name: "paid", payload: 3 });
    await drive.until();
    expect(drive.statuses["wait"]).toBe("running");
    drive.command({ kind: "send_event", name: "paid", correlation: "order-1", payload: { cents: 5 } });
    expect(await drive.end()).toMatchObject({ kind: "completed", outputs: { cents: 5 } });
  });

  test("A9: When an event came earlier, also before a continue-as-new, then it is kept for the wait, and taken once", async () => {
    const drive = new Drive(
      chain(
        { a: call, b: call, w1: { type: "WaitForEvent", inputs: { event: "e", correlation: "k" } }, w2: { type: "WaitForEvent", inputs: { event: "e" } } },
        ["start -> a", "a -> b", "b -> w1", "w1 -> w2", "w2 -> end"],
      ),
    );
    await drive.until(5);
    drive.command({ kind: "send_event", name: "e", correlation: "other", payload: "not for w1" });
    drive.command({ kind: "send_event", name: "e", correlation: "k", payload: "for w1" });
    drive.full = true;
    await drive.end();
    expect(drive.links).toBe(2);
    const outputs = Object.fromEntries(drive.facts.filter(({ kind }) => kind === "node_end").map(({ node_id, data }) => [node_id, data?.output]));
    expect(outputs).toMatchObject({ w1: "for w1", w2: "not for w1" });
  });

  test("A9: When no event comes in time, then the time-out's route is taken", async () => {
    const graph = chain(
      { wait: { type: "WaitForEvent", inputs: { event: "e", timeout: "1 minute" } }, late: { type: "Set", inputs: { values: { late: true } } } },
      ["start -> wait", "wait#timeout -> late", "wait -> end", "late -> end"],
    );
    const drive = new Drive(graph);
    expect(await drive.end()).toMatchObject({ kind: "completed", outputs: { late: true } });
    expect(drive.clock.now).toBe(60_000);
  });

  test("A9: When nothing waits, then no more than the limit is kept", async () => {
    const drive = new Drive(chain({ w: { type: "HumanApproval", inputs: { prompt: "?" } } }, ["start -> w", "w#approved -> end"]));
    await drive.until();
    for (let n = 0; n < 1_000; n++) drive.command({ kind: "send_event", name: "e", payload: n });
    expect(drive.interpreter.refuse({ kind: "send_event", name: "e", payload: 1 })).toMatchObject({ code: "run.state" });
  });
});

describe("skip, complete, retry (A9)", () => {
  const two = chain({ a: call, b: call }, ["start -> a", "a -> b", "b -> end"]);

  test("A9: When a node that has not begun is skipped, then what only it leads to is skipped, and nothing is called", async () => {
    const drive = new Drive(two);
    await drive.until(5);
    drive.command({ kind: "skip_node", node_id: "b", iteration: "" });
    expect(await drive.end()).toMatchObject({ kind: "completed" });
    expect(drive.calls).toEqual(["a"]);
    expect(drive.statuses).toEqual({ start: "completed", a: "completed", b: "skipped", end: "skipped" });
  });

  test("A9: When a node under way is completed by a person, then its attempt is called off and the run goes on with what they said", async () => {
    const drive = new Drive(two, { call: ({ node_id }) => (node_id === "a" ? { ms: 1e9 } : {}) });
    await drive.until(5);
    drive.command({ kind: "complete_node", node_id: "a", iteration: "", output: { said: 1 } });
    const outcome = await drive.end();
    expect(outcome).toMatchObject({ kind: "completed", counts: { completed: 4 } });
    expect(drive.clock.now).toBeLessThan(1_000);
    expect(drive.facts.find(({ node_id, kind }) => node_id === "a" && kind === "node_end")?.data).toMatchObject({ status: "completed", output: { said: 1 } });
  });

  test("A9: When a node with routes is completed, then it must be by one of them", async () => {
    const drive = new Drive(
      chain({ ask: { type: "HumanApproval", inputs: { prompt: "?" } }, yes: call, no: call }, [
        "start -> ask",
        "ask#approved -> yes",
        "ask#rejected -> no",
        "yes -> end",
        "no -> end",
      ]),
    );
    await drive.until();
    const complete = { kind: "complete_node", node_id: "ask", iteration: "", output: null } as const;
    expect(drive.interpreter.refuse(complete)).toMatchObject({ code: "validation.failed" });
    expect(drive.interpreter.refuse({ ...complete, route: "perhaps" })).toMatchObject({ code: "validation.failed" });
    drive.command({ ...complete, route: "rejected" });
    await drive.end();
    expect(drive.calls).toEqual(["no"]);
  });

  test("A9 A15: When a person had skipped a node in the run before, then it is skipped again, with what only it leads to", async () => {
    const drive = new Drive(two, { given: { ":a": { skipped: true } } });
    expect(await drive.end()).toMatchObject({ kind: "completed", counts: { completed: 1, skipped: 3 } });
    expect(drive.calls).toEqual([]);
  });

  test("A9: When a whole loop is skipped, then its iteration ends first", async () => {
    const drive = new Drive(
      graphOf({ start: { type: "Start" }, loop: { type: "Loop", inputs: { times: 5, max_iterations: 5 } }, in: call, after: call }, [
        "start -> loop",
        "loop#body -> in",
        "in -> loop#return",
        "loop#done -> after",
      ]),
    );
    await drive.until(15);
    drive.command({ kind: "skip_node", node_id: "loop", iteration: "" });
    expect(await drive.end()).toMatchObject({ kind: "completed" });
    expect(drive.statuses).toMatchObject({ "in@0": "completed", "in@1": "cancelled", loop: "skipped", after: "skipped" });
  });

  test("A9: When a node in an iteration is skipped, then only that one is", async () => {
    const drive = new Drive(
      graphOf({ start: { type: "Start" }, map: { type: "MapReduce", inputs: { items: [1, 2, 3] } }, in: call }, [
        "start -> map",
        "map#body -> in",
        "in -> map#return",
      ]),
    );
    await drive.until(5);
    drive.command({ kind: "skip_node", node_id: "in", iteration: "1" });
    expect(await drive.end()).toMatchObject({ kind: "completed" });
    expect(drive.statuses).toMatchObject({ "in@0": "completed", "in@1": "skipped", "in@2": "completed" });
    expect(drive.facts.find(({ node_id, kind }) => node_id === "map" && kind === "node_end")?.data?.output).toEqual([{ by: "in" }, null, { by: "in" }]);
  });

  test("A9: When a node is tried anew, then its call is made again in another round", async () => {
    let calls = 0;
    const drive = new Drive(two, { call: ({ node_id }) => (node_id === "a" && calls++ === 0 ? { ms: 1e9 } : {}) });
    await drive.until(5);
    drive.command({ kind: "retry_node", node_id: "a", iteration: "" });
    expect(await drive.end()).toMatchObject({ kind: "completed" });
    expect(drive.calls).toEqual(["a", "a#1", "b"]);
    expect(drive.clock.now).toBeLessThan(1_000);
  });

  test.each([
    { kind: "skip_node", node_id: "a", iteration: "" } as const,
    { kind: "complete_node", node_id: "a", iteration: "", output: 1 } as const,
    { kind: "retry_node", node_id: "a", iteration: "" } as const,
    { kind: "retry_node", node_id: "nobody", iteration: "" } as const,
    { kind: "skip_node", node_id: "b", iteration: "7" } as const,
  ])("A9: When %j comes too late or names nothing, then it is refused", async (command) => {
    const drive = new Drive(two, { call: ({ node_id }) => (node_id === "b" ? { ms: 1_000 } : {}) });
    await drive.until(500);
    expect(drive.interpreter.refuse(command)).toMatchObject({ code: "run.state" });
  });

  test("A9: When a command has been applied, then it is known in the next link of the chain", async () => {
    const drive = new Drive(two);
    await drive.until(5);
    drive.command({ kind: "pause" });
    drive.interpreter.rememberApplied("c1");
    drive.full = true;
    await drive.until();
    expect(drive.links).toBe(2);
    expect(drive.interpreter.hasApplied("c1")).toBe(true);
    expect(drive.interpreter.hasApplied("c2")).toBe(false);
  });
});

describe("migration (A12)", () => {
  const one = chain({ a: call, b: call }, ["start -> a", "a -> b", "b -> end"]);

  test("A12: When a run moves to a version with new nodes behind those that have ended, then it runs them", async () => {
    const next = chain({ a: call, extra: call, b: { ...call, inputs: { url: "http://other.test/" } } }, [
      "start -> a",
      "a -> b",
      "a -> extra",
      "b -> end",
      "extra -> end",
    ]);
    const drive = new Drive(one);
    await drive.until(5);
    drive.command({ kind: "migrate", version: 2, plan: planOf(next) });
    expect(await drive.end()).toMatchObject({ kind: "completed" });
    expect(drive.links).toBe(2);
    expect(drive.calls.toSorted()).toEqual(["a", "b", "extra"]);
    expect(drive.statuses).toEqual({ start: "completed", a: "completed", b: "completed", extra: "completed", end: "completed" });
  });

  test("A12: When what has run is changed, then the move is refused with the nodes", async () => {
    const next = chain({ a: { ...call, inputs: { url: "http://other.test/" } }, b: call }, ["start -> a", "a -> b", "b -> end"]);
    const drive = new Drive(one);
    await drive.until(5);
    expect(drive.interpreter.refuse({ kind: "migrate", version: 2, plan: planOf(next) })).toMatchObject({ code: "run.state", findings: [{ node_id: "a" }] });
  });

  test("A12: When it waits for a person in a map, then the open approvals go on in the new version", async () => {
    const map = (after: string) =>
      graphOf(
        {
          start: { type: "Start" },
          map: { type: "MapReduce", inputs: { items: [1, 2] } },
          ask: { type: "HumanApproval", inputs: { prompt: "?" } },
          [after]: call,
        },
        ["start -> map", "map#body -> ask", "ask#approved -> map#return", `map#done -> ${after}`],
      );
    const drive = new Drive(map("x"));
    await drive.until();
    drive.command({ kind: "migrate", version: 2, plan: planOf(map("y")) });
    await drive.until();
    for (const iteration of ["0", "1"]) drive.command({ kind: "answer", node_id: "ask", iteration, answer: { decision: "approved", by: "me", at: "now" } });
    expect(await drive.end()).toMatchObject({ kind: "completed" });
    expect(drive.calls).toEqual(["y"]);
  });
});
