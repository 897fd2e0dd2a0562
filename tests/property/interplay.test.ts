import { describe, expect, test } from "vitest";
import { call, Drive, graphOf, planOf } from "./drive.ts";

const start = { start: { type: "Start" } };
const child = { type: "SubWorkflow", inputs: { workflow_id: "other" } };
const outputOf = (drive: Drive, id: string) => drive.facts.find(({ node_id, kind }) => node_id === id && kind === "node_end")?.data?.output;

describe("maps that end early", () => {
  test("A5: When an item ends and another fails at the same moment, then the map begins no more items", async () => {
    const drive = new Drive(
      graphOf({ ...start, map: { type: "MapReduce", inputs: { items: [0, 1, 2, 3, 4, 5], concurrency: 3 } }, in: child }, [
        "start -> map",
        "map#body -> in",
        "in -> map#return",
      ]),
    );
    await drive.until();
    drive.interpreter.childClosed({ run_id: "child-0", status: "completed", outputs: 0 });
    drive.interpreter.childClosed({ run_id: "child-1", status: "failed" });
    await drive.until();
    expect(drive.children.map(({ told }) => told)).toEqual([[], [], ["cancel"]]);
    drive.interpreter.childClosed({ run_id: "child-2", status: "cancelled" });
    expect(await drive.end()).toMatchObject({ kind: "failed", error: { node_id: "in" } });
  });

  test("A5: When a map is skipped in a pause while an item has ended, then it begins no more items", async () => {
    const drive = new Drive(
      graphOf({ ...start, map: { type: "MapReduce", inputs: { items: [0, 1, 2, 3], concurrency: 2 } }, in: child, after: call }, [
        "start -> map",
        "map#body -> in",
        "in -> map#return",
        "map#done -> after",
      ]),
    );
    await drive.until();
    drive.command({ kind: "pause" });
    drive.interpreter.childClosed({ run_id: "child-0", status: "completed", outputs: 0 });
    await drive.until();
    drive.command({ kind: "skip_node", node_id: "map", iteration: "" });
    drive.command({ kind: "resume" });
    await drive.until();
    expect(drive.children).toHaveLength(2);
    drive.interpreter.childClosed({ run_id: "child-1", status: "cancelled" });
    expect(await drive.end()).toMatchObject({ kind: "completed" });
    expect(drive.statuses).toMatchObject({ map: "skipped", after: "skipped" });
  });

  test("A2 A5: When a map that fails continues as new while it waits for a child that it has called off, then it fails all the same", async () => {
    const drive = new Drive(
      graphOf(
        {
          ...start,
          map: { type: "MapReduce", inputs: { items: [{ bad: true }, { bad: false }, { bad: false }], concurrency: 2 }, settings: { on_error: "branch" } },
          which: { type: "Condition", inputs: { condition: "item.bad" } },
          fails: call,
          child,
          behind: call,
          caught: call,
          after: call,
        },
        [
          "start -> map",
          "map#body -> which",
          "which#true -> fails",
          "which#false -> child",
          "child -> behind",
          "behind -> map#return",
          "fails -> map#return",
          "map#error -> caught",
          "map#done -> after",
        ],
      ),
      { call: ({ node_id }) => ({ fails: node_id === "fails" }) },
    );
    await drive.until();
    expect(drive.children).toMatchObject([{ told: ["cancel"] }]);
    drive.full = true;
    drive.command({ kind: "set_variable", name: "x", value: 1 });
    await drive.until();
    expect(drive.links).toBe(2);
    drive.interpreter.childClosed({ run_id: "child-0", status: "cancelled" });
    expect(await drive.end()).toMatchObject({ kind: "completed" });
    expect(drive.calls).toEqual(["fails@0", "caught"]);
    expect(drive.statuses).toMatchObject({ "child@1": "cancelled", map: "failed", after: "skipped" });
    expect(drive.children).toHaveLength(1);
  });
});

describe("continue as new", () => {
  test("A2 A9: When a child that is being called off was skipped, then it is, also in the next link", async () => {
    const drive = new Drive(graphOf({ ...start, child, after: call, end: { type: "End" } }, ["start -> child", "child -> after", "start -> end"]));
    await drive.until();
    drive.command({ kind: "skip_node", node_id: "child", iteration: "" });
    drive.full = true;
    drive.command({ kind: "set_variable", name: "x", value: 1 });
    await drive.until();
    expect(drive.links).toBe(2);
    drive.interpreter.childClosed({ run_id: "child-0", status: "cancelled" });
    expect(await drive.end()).toMatchObject({ kind: "completed" });
    expect(drive.statuses).toMatchObject({ child: "skipped", after: "skipped" });
  });

  test("A2 A9: When a variable is set after a wait has begun, then the next link waits for what was asked for", async () => {
    const drive = new Drive(
      graphOf(
        {
          ...start,
          set: { type: "Set", inputs: { values: { a: 1 } } },
          wait: { type: "WaitForEvent", inputs: { event: "paid", correlation: '{{default variables.order "one"}}' } },
        },
        ["start -> set", "set -> wait"],
      ),
    );
    await drive.until();
    expect(drive.interpreter.snapshot().waits).toMatchObject([{ correlation: "one" }]);
    drive.full = true;
    drive.command({ kind: "set_variable", name: "order", value: "two" });
    await drive.until();
    expect(drive.links).toBe(2);
    expect(drive.interpreter.snapshot().waits).toMatchObject([{ correlation: "one" }]);
  });

  test("A2 A5: When what undoes an item reads a node outside, then that is still there in a later link", async () => {
    const drive = new Drive(
      graphOf(
        {
          ...start,
          account: call,
          map: { type: "MapReduce", inputs: { items: ["x", "y"], concurrency: 1 } },
          book: call,
          unbook: { type: "Set", inputs: { values: { of: "{{account.by}}" } } },
          pause: { type: "Delay", inputs: { duration: "1s" } },
          last: call,
        },
        ["start -> account", "account -> map", "map#body -> book", "book -> map#return", "book#compensate -> unbook", "map#done -> pause", "pause -> last"],
      ),
      { call: ({ node_id }) => ({ fails: node_id === "last" }) },
    );
    await drive.until(500);
    drive.full = true;
    expect(await drive.end()).toMatchObject({ kind: "failed" });
    expect(drive.links).toBe(2);
    expect(drive.statuses).toMatchObject({ "unbook@0": "completed", "unbook@1": "completed" });
    expect(outputOf(drive, "unbook")).toEqual({ of: "account" });
  });
});

describe("undoing", () => {
  test("A5 A9: When a paused run fails, then the child that undoes something is not paused", async () => {
    const drive = new Drive(graphOf({ ...start, a: call, b: call, undo: child }, ["start -> a", "a -> b", "a#compensate -> undo"]), {
      call: ({ node_id }) => ({ fails: node_id === "b" }),
    });
    await drive.until(15);
    drive.command({ kind: "pause" });
    await drive.until(100);
    expect(drive.children).toMatchObject([{ told: [] }]);
    drive.interpreter.childClosed({ run_id: "child-0", status: "completed" });
    expect(await drive.end()).toMatchObject({ kind: "failed" });
  });

  test("A5 A9: When a node is skipped whose call was made all the same, then that is undone too", async () => {
    const drive = new Drive(
      graphOf({ ...start, a: call, b: call, undo_a: { type: "Set", inputs: { values: { of: "{{a.by}}" } } } }, [
        "start -> a",
        "start -> b",
        "a#compensate -> undo_a",
      ]),
      { call: ({ node_id }) => ({ fails: node_id === "b", ms: node_id === "a" ? 1e9 : 100 }), receipts: { a: { by: "receipt" } } },
    );
    await drive.until(50);
    drive.command({ kind: "skip_node", node_id: "a", iteration: "" });
    expect(await drive.end()).toMatchObject({ kind: "failed" });
    expect(outputOf(drive, "undo_a")).toEqual({ of: "receipt" });
  });
});

test.each([
  ["it", { book: call }, ["start -> book", "book -> fail", "book#compensate -> undo"]],
  [
    "the map around it",
    { map: { type: "MapReduce", inputs: { items: [0] } }, book: call },
    ["start -> map", "map#body -> book", "book -> map#return", "map#done -> fail", "map#compensate -> undo"],
  ],
])("A5: When a stored plan caches a call and undoes %s, then the call neither takes nor leaves a cached result", async (_what, nodes, edges) => {
  const plan = planOf(graphOf({ ...start, ...nodes, fail: call, undo: call }, edges));
  const step = plan.steps.flatMap((each) => [each, ...(each.body?.steps ?? [])]).find(({ id }) => id === "book");
  if (!step) throw new Error("no step");
  step.cache = { ttl_ms: 1_000 };
  const cached: string[] = [];
  const drive = new Drive(plan, {
    call: ({ node_id, cache }) => {
      if (cache) cached.push(node_id);
      return { fails: node_id === "fail" };
    },
  });
  expect(await drive.end()).toMatchObject({ kind: "failed" });
  expect(drive.calls.map((each) => each.split("@")[0])).toEqual(["book", "fail", "undo"]);
  expect(cached).toEqual([]);
});

describe("undoing what waits, or much", () => {
  const undoneBy = (nodes: object, edges: string[]) =>
    new Drive(graphOf({ ...start, a: call, b: call, undo: call, ...nodes }, ["start -> a", "a -> b", ...edges]), {
      call: ({ node_id }) => ({ fails: node_id === "b" }),
    });

  test("A5 A9: When a compensation asks a person, then the answer is taken", async () => {
    const drive = undoneBy({ ask: { type: "HumanApproval", inputs: { prompt: "?" } } }, ["a#compensate -> ask", "ask#approved -> undo"]);
    await drive.until(100);
    expect(drive.interpreter.refuse({ kind: "pause" })).toMatchObject({ code: "run.closed" });
    expect(drive.interpreter.refuse({ kind: "complete_node", node_id: "a", iteration: "", output: 1 })).toMatchObject({ code: "run.closed" });
    drive.command({ kind: "answer", node_id: "ask", iteration: "", answer: { decision: "approved", by: "me", at: "now" } });
    expect(await drive.end()).toMatchObject({ kind: "failed", error: { node_id: "b" } });
    expect(drive.calls).toEqual(["a", "b", "undo"]);
    expect(drive.clock.now).toBeLessThan(1_000);
  });

  test("A5 A9: When a compensation waits for an event, then it is delivered, and a wait may be skipped", async () => {
    const wait = { type: "WaitForEvent", inputs: { event: "refunded" } };
    const drive = undoneBy({ one: wait, two: wait }, ["a#compensate -> one", "one -> two", "a#compensate -> undo"]);
    await drive.until(100);
    drive.command({ kind: "send_event", name: "refunded", payload: 1 });
    drive.command({ kind: "skip_node", node_id: "two", iteration: "" });
    expect(await drive.end()).toMatchObject({ kind: "failed" });
    expect(drive.statuses).toMatchObject({ one: "completed", two: "skipped", undo: "completed" });
    expect(drive.clock.now).toBeLessThan(1_000);
  });

  const many = (settings: object = {}) =>
    graphOf(
      {
        ...start,
        map: { type: "MapReduce", inputs: { items: [0, 1, 2, 3], concurrency: 4 } },
        book: call,
        unbook: { ...call, inputs: { url: "http://example.test/{{book.by}}/{{item}}" } },
        last: call,
      },
      ["start -> map", "map#body -> book", "book -> map#return", "book#compensate -> unbook", "map#done -> last"],
      settings,
    );

  test("A2 A5: When there is more to undo than a history holds, then the run continues as new in between and undoes each once", async () => {
    const drive = new Drive(many(), { call: ({ node_id }) => ({ fails: node_id === "last" }) });
    await drive.until(25);
    for (const ms of [35, 45]) {
      drive.full = true;
      await drive.until(ms);
    }
    expect(drive.links).toBe(3);
    expect(await drive.end()).toMatchObject({ kind: "failed", error: { node_id: "last" }, counts: { completed: 10, failed: 1 } });
    expect(drive.calls.slice(5)).toEqual(["unbook@3", "unbook@2", "unbook@1", "unbook@0"]);
  });

  test("A2 A5 A9: When a run that was cancelled continues as new while it undoes, then it ends as cancelled, within its time", async () => {
    const drive = new Drive(many({ cleanup_timeout: "1 minute" }), {
      call: ({ node_id, iteration }) => ({ ms: node_id === "last" || (node_id === "unbook" && iteration === "1") ? 1e9 : 10 }),
    });
    await drive.until(25);
    drive.interpreter.cancel();
    await drive.until(30);
    drive.full = true;
    const outcome = await drive.end();
    expect(drive.links).toBe(2);
    expect(outcome).toMatchObject({ kind: "cancelled" });
    expect(drive.statuses).toMatchObject({ "unbook@3": "completed", "unbook@2": "completed", "unbook@1": "cancelled", "unbook@0": "cancelled" });
    expect(drive.clock.now).toBe(60_010);
  });
});

describe("migration of a live run", () => {
  const ab = graphOf({ ...start, a: call, b: call }, ["start -> a", "a -> b"]);

  test("A12: When a node is put before one that was ready, then it runs before it", async () => {
    const drive = new Drive(ab);
    await drive.until(5);
    drive.command({ kind: "pause" });
    await drive.until();
    drive.command({
      kind: "migrate",
      version: 2,
      plan: planOf(
        graphOf({ ...start, a: call, c: call, b: { ...call, inputs: { url: "http://example.test/{{c.by}}" } } }, ["start -> a", "a -> c", "c -> b"]),
      ),
    });
    await drive.until();
    drive.command({ kind: "resume" });
    expect(await drive.end()).toMatchObject({ kind: "completed" });
    expect(drive.calls).toEqual(["a", "c", "b"]);
  });

  test("A12: When the last node is under way, then what the new version has behind it runs", async () => {
    const drive = new Drive(ab);
    await drive.until(15);
    drive.command({ kind: "migrate", version: 2, plan: planOf(graphOf({ ...start, a: call, b: call, c: call }, ["start -> a", "a -> b", "b -> c"])) });
    expect(await drive.end()).toMatchObject({ kind: "completed", outputs: { by: "c" } });
    expect(drive.calls).toEqual(["a", "b", "c"]);
  });

  test("A12: When a node under way ends, then the new version says what follows from it", async () => {
    const failing = { ...call, settings: { on_error: "branch" } };
    const drive = new Drive(graphOf({ ...start, a: failing, b: call, c: call }, ["start -> a", "a -> b", "a#error -> c"]), {
      call: ({ node_id }) => ({ fails: node_id === "a" }),
    });
    await drive.until(5);
    drive.command({ kind: "migrate", version: 2, plan: planOf(graphOf({ ...start, a: failing, b: call, c: call }, ["start -> a", "a -> c", "a#error -> b"])) });
    expect(await drive.end()).toMatchObject({ kind: "completed", outputs: { by: "b" } });
    expect(drive.calls).toEqual(["a", "b"]);
    expect(drive.statuses).toMatchObject({ c: "skipped" });
  });

  test("A12: When the new version has a trigger that the old one had not, then it has not fired", async () => {
    const drive = new Drive(ab);
    await drive.until(5);
    const plan = planOf(
      graphOf({ ...start, timer: { type: "TimerStartNode", inputs: { schedule_type: "manual" } }, a: call, b: call, c: call }, [
        "start -> a",
        "a -> b",
        "timer -> b",
        "timer -> c",
      ]),
    );
    drive.command({ kind: "migrate", version: 2, plan });
    expect(await drive.end()).toMatchObject({ kind: "completed", outputs: { by: "b" } });
    expect(drive.statuses).toMatchObject({ timer: "skipped", c: "skipped" });
  });

  const waiting = (extra: object, edges: string[]) =>
    graphOf({ ...start, a: call, b: call, wait: { type: "Delay", inputs: { duration: "1h" } }, ...extra }, ["start -> a", "a -> b", "b -> wait", ...edges]);
  const reading = planOf(waiting({ after: { type: "Set", inputs: { values: { a: "{{a.by}}" } } } }, ["wait -> after"]));

  test("A12: When a new node reads one that nothing else would have read, then its value is there", async () => {
    const drive = new Drive(waiting({}, []));
    await drive.until(1_000);
    drive.command({ kind: "migrate", version: 2, plan: reading });
    expect(await drive.end()).toMatchObject({ kind: "completed", outputs: { a: "a" } });
  });

  const iterating = (extra: object, edges: string[]) =>
    graphOf(
      { ...start, map: { type: "MapReduce", inputs: { items: [0] } }, child: { type: "SubWorkflow", inputs: { workflow_id: "other" } }, fails: call, ...extra },
      ["start -> map", "map#body -> child", "map#body -> fails", "child -> map#return", "fails -> map#return", ...edges],
    );

  test("A5 A12: When a run moves while an iteration that has failed waits for its child, then it fails all the same, and nothing more begins in it", async () => {
    const drive = new Drive(iterating({ next: call }, ["fails -> next", "next -> map#return"]), { call: ({ node_id }) => ({ fails: node_id === "fails" }) });
    await drive.until(100);
    const plan = planOf(iterating({ next: call, after: call }, ["fails -> next", "next -> map#return", "map#done -> after"]));
    drive.command({ kind: "migrate", version: 2, plan });
    await drive.until(200);
    expect(drive.links).toBe(2);
    drive.interpreter.childClosed({ run_id: "child-0", status: "cancelled" });
    expect(await drive.end()).toMatchObject({ kind: "failed", error: { node_id: "fails" } });
    expect(drive.calls).toEqual(["fails@0"]);
  });

  test("A12: When a trigger that was ready behind another is behind nothing in the new version, then it is skipped, once", async () => {
    const behind = (edges: string[]) => graphOf({ ...start, two: { type: "Start" }, a: call, b: call, c: call }, edges);
    const drive = new Drive(behind(["start -> a", "a -> two", "two -> b", "a -> c"]));
    await drive.until(5);
    drive.command({ kind: "pause" });
    await drive.until(20);
    drive.command({ kind: "migrate", version: 2, plan: planOf(behind(["start -> a", "two -> b", "a -> c"])) });
    await drive.until(30);
    drive.command({ kind: "resume" });
    expect(await drive.end()).toMatchObject({ kind: "completed" });
    expect(drive.statuses).toMatchObject({ two: "skipped", b: "skipped" });
    expect(drive.facts.filter(({ node_id }) => node_id === "two")).toHaveLength(1);
  });

  test("A5 A12: When what undoes a node reads in the new version what an earlier link has let go, then the version is refused", async () => {
    const undoing = (url: string) => waiting({ c: call, undo: { ...call, inputs: { url } } }, ["b -> c", "c#compensate -> undo"]);
    const drive = new Drive(undoing("http://example.test/{{c.by}}"));
    await drive.until(1_000);
    drive.full = true;
    drive.command({ kind: "set_variable", name: "x", value: 1 });
    await drive.until(2_000);
    expect(drive.links).toBe(2);
    expect(drive.interpreter.refuse({ kind: "migrate", version: 2, plan: planOf(undoing("http://example.test/{{c.by}}/{{b.by}}")) })).toBeUndefined();
    expect(drive.interpreter.refuse({ kind: "migrate", version: 2, plan: planOf(undoing("http://example.test/{{a.by}}")) })).toMatchObject({
      code: "run.state",
      findings: [{ code: "migration.obstacle", node_id: "c" }],
    });
  });

  test("A12: When a new node reads what an earlier link has let go, then the version is refused", async () => {
    const drive = new Drive(waiting({}, []));
    await drive.until(1_000);
    drive.full = true;
    drive.command({ kind: "set_variable", name: "x", value: 1 });
    await drive.until(2_000);
    expect(drive.links).toBe(2);
    expect(drive.interpreter.refuse({ kind: "migrate", version: 2, plan: reading })).toMatchObject({
      code: "run.state",
      findings: [{ code: "migration.obstacle", node_id: "after" }],
    });
  });
});
