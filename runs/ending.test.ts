import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure, WorkflowFailedError } from "@temporalio/client";
import { expect, test } from "vitest";
import { endingOfFailure, endingOfResult } from "./ending.ts";

const at = new Date(0);
const failedBy = (cause: Error) => endingOfFailure(new WorkflowFailedError("m", cause, "NON_RETRYABLE_FAILURE"), at);

test("When a run completed, then its ending has the outputs and the counts", () => {
  expect(endingOfResult({ status: "completed", outputs: [1], counts: { completed: 2 } }, at)).toEqual({
    status: "completed",
    outputs: [1],
    counts: { completed: 2 },
    at,
  });
});

test("A16: When a run failed, then its error is the one the workflow told; a time limit makes it timed out", () => {
  const error = { code: "upstream.failed", message: "m", retryable: false };
  const ending = (value: object, counts: object) => failedBy(ApplicationFailure.create({ type: "x", message: "m", details: [{ error: value, counts }] }));
  expect(ending(error, { failed: 1 })).toEqual({ status: "failed", error, counts: { failed: 1 }, at });
  expect(ending({ ...error, code: "run.timed_out" }, {})).toEqual({ status: "timed_out", error: { ...error, code: "run.timed_out" }, at });
});

test("A16: When a failure tells nothing of ours, then neither its message nor its stack is shown", () => {
  expect(failedBy(ApplicationFailure.create({ type: "TypeError", message: "secret at line 3" }))).toMatchObject({
    status: "failed",
    error: { code: "internal", message: "The run failed." },
  });
  expect(failedBy(ApplicationFailure.create({ type: "graph.stuck", message: "secret" }))).toMatchObject({
    error: { code: "graph.stuck", message: "The run failed." },
  });
});

test("A9: When a run was cancelled, terminated or timed out in Temporal, then its status says so", () => {
  expect(failedBy(new CancelledFailure("m", [{ counts: { cancelled: 1 } }]))).toMatchObject({
    status: "cancelled",
    error: { code: "run.cancelled" },
    counts: { cancelled: 1 },
  });
  expect(failedBy(new TerminatedFailure("Terminated by me: enough"))).toMatchObject({ status: "cancelled" });
  expect(failedBy(new TerminatedFailure("history too long"))).toMatchObject({ status: "failed", error: { message: "The run was terminated in Temporal." } });
  expect(failedBy(new TimeoutFailure("m", undefined, "START_TO_CLOSE"))).toMatchObject({ status: "timed_out", error: { code: "run.timed_out" } });
});

test("When an error says nothing of the run's end, then there is no ending", () => {
  expect(endingOfFailure(new Error("connection"), at)).toBeUndefined();
});
