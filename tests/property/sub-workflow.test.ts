import { expect, test } from "vitest";
import { call, Drive, graphOf } from "./drive.ts";

const parent = (settings?: object) =>
  graphOf(
    {
      start: { type: "Start" },
      child: { type: "SubWorkflow", inputs: { workflow_id: "other", inputs: { n: 1 } }, ...(settings && { settings }) },
      after: call,
      end: { type: "End" },
    },
    ["start -> child", "child -> after", "after -> end"],
  );

test("A5: When a child completes, then its result is the node's value", async () => {
  const drive = new Drive(parent());
  await drive.until();
  expect(drive.children).toMatchObject([{ call: { workflow_id: "other", inputs: { n: 1 }, iteration: "" } }]);
  expect(drive.interpreter.snapshot().status).toBe("running");
  drive.interpreter.childClosed({ run_id: "child-0", status: "completed", outputs: { done: true } });
  expect(await drive.end()).toMatchObject({ kind: "completed" });
  expect(drive.facts.find(({ node_id, kind }) => node_id === "child" && kind === "node_end")?.data?.output).toEqual({ done: true });
});

test("A5: When a child fails, then the node fails with the child's error", async () => {
  const drive = new Drive(parent());
  await drive.until();
  drive.interpreter.childClosed({
    run_id: "child-0",
    status: "failed",
    error: { code: "handler.failed", message: "It broke.", retryable: false, node_id: "inner" },
  });
  expect(await drive.end()).toMatchObject({
    kind: "failed",
    error: { code: "child.failed", node_id: "child", message: "The child run failed: It broke.", details: [{ code: "handler.failed", node_id: "inner" }] },
  });
});

test("A5: When a child says that it has ended before its start is known, or twice, or is not ours, then it counts once", async () => {
  const drive = new Drive(parent());
  drive.interpreter.childClosed({ run_id: "child-0", status: "completed", outputs: 1 });
  drive.interpreter.childClosed({ run_id: "stranger", status: "failed" });
  await drive.until();
  drive.interpreter.childClosed({ run_id: "child-0", status: "failed" });
  expect(await drive.end()).toMatchObject({ kind: "completed" });
});

test("A5: When the parent continues as new meanwhile, then the child is still waited for", async () => {
  const drive = new Drive(parent());
  await drive.until();
  drive.full = true;
  drive.command({ kind: "set_variable", name: "x", value: 1 });
  await drive.until();
  expect(drive.links).toBe(2);
  drive.interpreter.childClosed({ run_id: "child-0", status: "completed" });
  expect(await drive.end()).toMatchObject({ kind: "completed" });
  expect(drive.children).toHaveLength(1);
});

test("A5 A9: When the parent is paused, resumed and cancelled, then the child is told, and waited for", async () => {
  const drive = new Drive(parent());
  await drive.until();
  drive.command({ kind: "pause" });
  drive.command({ kind: "resume" });
  drive.interpreter.cancel();
  await drive.until();
  expect(drive.children[0]?.told).toEqual(["pause", "resume", "cancel"]);
  expect(drive.statuses["child"]).toBe("running");
  drive.interpreter.childClosed({ run_id: "child-0", status: "cancelled" });
  expect(await drive.end()).toMatchObject({ kind: "cancelled" });
  expect(drive.statuses["child"]).toBe("cancelled");
});

test("A5: When a child is cancelled by somebody else, then that is a failure of the node", async () => {
  const drive = new Drive(parent({ on_error: "continue" }));
  await drive.until();
  drive.interpreter.childClosed({ run_id: "child-0", status: "cancelled" });
  expect(await drive.end()).toMatchObject({ kind: "completed" });
  expect(drive.statuses).toMatchObject({ child: "failed", after: "completed" });
});

test("A5: When a map runs a child for each item, then no more live than its concurrency", async () => {
  const drive = new Drive(
    graphOf(
      {
        start: { type: "Start" },
        map: { type: "MapReduce", inputs: { items: [1, 2, 3], concurrency: 2 } },
        child: { type: "SubWorkflow", inputs: { workflow_id: "other" } },
      },
      ["start -> map", "map#body -> child", "child -> map#return"],
    ),
  );
  await drive.until();
  expect(drive.children.map(({ call: { inputs, iteration } }) => [iteration, inputs])).toEqual([
    ["0", { input: 1 }],
    ["1", { input: 2 }],
  ]);
  for (const n of [0, 1]) drive.interpreter.childClosed({ run_id: `child-${n}`, status: "completed", outputs: n });
  await drive.until();
  drive.interpreter.childClosed({ run_id: "child-2", status: "completed", outputs: 2 });
  expect(await drive.end()).toMatchObject({ kind: "completed", outputs: [0, 1, 2] });
});
