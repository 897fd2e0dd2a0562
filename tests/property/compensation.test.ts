import { expect, test } from "vitest";
import { call, Drive, graphOf } from "./drive.ts";

/** start → a → b → c, each undone by `undo_…`; c fails. */
const saga = (settings: object = {}) =>
  graphOf(
    {
      start: { type: "Start" },
      a: call,
      b: call,
      c: call,
      undo_a: call,
      undo_b: call,
      undo_c: call,
      note: { type: "Set", inputs: { values: { undone: "{{b.by}}" } } },
    },
    ["start -> a", "a -> b", "b -> c", "a#compensate -> undo_a", "b#compensate -> undo_b", "undo_b -> note", "c#compensate -> undo_c"],
    settings,
  );

test("A5: When a node fails, then what completed before is undone, the last first, and the run fails with that node", async () => {
  const drive = new Drive(saga(), { call: ({ node_id }) => ({ fails: node_id === "c" }) });
  expect(await drive.end()).toMatchObject({ kind: "failed", error: { node_id: "c" }, counts: { completed: 6, failed: 1 } });
  expect(drive.calls).toEqual(["a", "b", "c", "undo_b", "undo_a"]);
  expect(drive.statuses).toMatchObject({ undo_a: "completed", undo_b: "completed", note: "completed" });
  expect(drive.facts.find(({ node_id, kind }) => node_id === "note" && kind === "node_end")?.data?.output).toEqual({ undone: "b" });
});

test("A5: When nothing fails, then nothing is undone and no compensation is listed", async () => {
  const drive = new Drive(saga());
  expect(await drive.end()).toMatchObject({ kind: "completed" });
  expect(drive.calls).toEqual(["a", "b", "c"]);
});

test("A5: When a compensation fails, then that is recorded and the rest go on", async () => {
  const drive = new Drive(saga(), { call: ({ node_id }) => ({ fails: node_id === "c" || node_id === "undo_b" }) });
  expect(await drive.end()).toMatchObject({ kind: "failed", error: { node_id: "c" } });
  expect(drive.calls).toEqual(["a", "b", "c", "undo_b", "undo_a"]);
  expect(drive.statuses).toMatchObject({ undo_b: "failed", undo_a: "completed" });
});

test("A5 A9: When the run is cancelled, also while it is paused, then it is undone too", async () => {
  const drive = new Drive(saga(), { call: ({ node_id }) => ({ ms: node_id === "b" ? 1e9 : 10 }) });
  await drive.until(50);
  drive.command({ kind: "pause" });
  drive.interpreter.cancel();
  expect(await drive.end()).toMatchObject({ kind: "cancelled" });
  expect(drive.calls).toEqual(["a", "b", "undo_a"]);
});

test("A4 A5: When a call was given up and left a receipt all the same, then it is undone too", async () => {
  const drive = new Drive(saga(), { call: ({ node_id }) => ({ ms: node_id === "b" ? 1e9 : 10 }), receipts: { b: { by: "receipt" } } });
  await drive.until(50);
  drive.interpreter.cancel();
  await drive.end();
  expect(drive.calls).toEqual(["a", "b", "undo_b", "undo_a"]);
  expect(drive.facts.find(({ node_id, kind }) => node_id === "note" && kind === "node_end")?.data?.output).toEqual({ undone: "receipt" });
});

test("A5: When iterations have ended, also in an earlier link of the chain, then each is undone with its own item", async () => {
  const graph = graphOf(
    {
      start: { type: "Start" },
      map: { type: "MapReduce", inputs: { items: ["x", "y", "z"], concurrency: 1 } },
      book: call,
      cancel: { type: "Set", inputs: { values: { item: "{{item}}", of: "{{book.n}}", index: "{{index}}" } } },
      last: call,
    },
    ["start -> map", "map#body -> book", "book -> map#return", "book#compensate -> cancel", "map#done -> last"],
  );
  let n = 0;
  const drive = new Drive(graph, { call: ({ node_id }) => (node_id === "last" ? { fails: true } : { value: { n: n++ } }) });
  await drive.until(15);
  drive.full = true;
  expect(await drive.end()).toMatchObject({ kind: "failed", error: { node_id: "last" } });
  expect(drive.links).toBe(2);
  const undone = drive.facts.filter(({ node_id, kind }) => node_id === "cancel" && kind === "node_end");
  expect(undone.map(({ iteration, data }) => [iteration, data?.output])).toEqual([
    ["2", { item: "z", of: 2, index: 2 }],
    ["1", { item: "y", of: 1, index: 1 }],
    ["0", { item: "x", of: 0, index: 0 }],
  ]);
});

test("A5: When the compensations pass their own deadline, then they are called off where they stand and the rest is shown as not done", async () => {
  const drive = new Drive(saga({ cleanup_timeout: "1 minute" }), {
    call: ({ node_id }) => (node_id === "c" ? { fails: true } : { ms: node_id === "undo_b" ? 1e9 : 10 }),
  });
  expect(await drive.end()).toMatchObject({ kind: "failed", error: { node_id: "c" } });
  expect(drive.clock.now).toBe(60_030);
  expect(drive.statuses).toMatchObject({ undo_b: "cancelled", undo_a: "cancelled" });
});

test("A5: When a node is disabled or its output is pinned, then there is nothing of it to undo", async () => {
  const graph = graphOf(
    {
      start: { type: "Start" },
      a: { ...call, settings: { disabled: true } },
      b: { ...call, settings: { pinned_output: { by: "pin" } } },
      c: call,
      undo_a: call,
      undo_b: call,
    },
    ["start -> a", "a -> b", "b -> c", "a#compensate -> undo_a", "b#compensate -> undo_b"],
  );
  const drive = new Drive(graph, { call: () => ({ fails: true }) });
  await drive.end();
  expect(drive.calls).toEqual(["c"]);
});

test("A5 A9: When the run passes its deadline, then it is undone and ends as timed out", async () => {
  const drive = new Drive(saga({ deadline: "1s" }), { call: ({ node_id }) => ({ ms: node_id === "b" ? 1e9 : 10 }) });
  expect(await drive.end()).toMatchObject({ kind: "failed", error: { code: "run.timed_out" } });
  expect(drive.calls).toEqual(["a", "b", "undo_a"]);
});

test("A5 A15: When a node is given from an earlier run, then this one does not undo it", async () => {
  const drive = new Drive(saga(), { call: ({ node_id }) => ({ fails: node_id === "c" }), given: { ":a": { value: { by: "before" } } } });
  await drive.end();
  expect(drive.calls).toEqual(["b", "c", "undo_b"]);
});
