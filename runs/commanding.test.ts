import { ApplicationFailure, WorkflowUpdateFailedError } from "@temporalio/client";
import { pino } from "pino";
import { expect, test } from "vitest";
import { tenantId } from "#core";
import { createCommanding, type CommandingOptions } from "./commanding.ts";

const tenant = tenantId("0198c0de-0000-7000-8000-000000000001");
const row = {
  id: "0198c0de-0000-7000-8000-000000000002",
  tenantId: tenant,
  runId: "0198c0de-0000-7000-8000-000000000003",
  command: { kind: "answer", node_id: "ask", iteration: "", answer: { decision: "approved", by: "me", at: "2026-11-21T00:00:00.000Z" } },
  by: "me",
  at: new Date(),
} as const;

/** A run whose workflow says that nothing waits at the node, or of which Temporal says something else. */
function bench(approval: "pending" | "cancelled" | "answered", type = "run.state") {
  const settled: string[] = [];
  const refused = new WorkflowUpdateFailedError(
    "refused",
    ApplicationFailure.create({ type, message: '"ask" does not wait for an answer.', nonRetryable: true }),
  );
  const commanding = createCommanding({
    db: {
      runs: { get: async () => ({ status: "waiting" }) },
      approvals: { forNode: async () => ({ status: approval }) },
      commands: { settle: async (_tenant: unknown, _id: unknown, status: string) => void settled.push(status) },
      log: { append: async () => 0 },
    },
    temporal: { update: () => Promise.reject(refused) },
    runs: {},
    serve: async () => {},
    waitMs: 10,
    logger: pino({ level: "silent" }),
  } as unknown as CommandingOptions);
  return { deliver: () => commanding.deliver(row as never), settled };
}

test("A9: When the wait is shown and its workflow has yet to come to it again after a crash, then the answer is kept", async () => {
  const { deliver, settled } = bench("pending");
  expect(await deliver()).toBe("kept");
  expect(settled).toEqual([]);
});

test("A9: When the wait is over, then the answer is refused", async () => {
  const { deliver, settled } = bench("cancelled");
  expect(await deliver()).toBe("refused");
  expect(settled).toEqual(["refused"]);
});

test("A9 A10: When Temporal rejects an answer because a worker passed it over, and the log of a lost task has told of it already, then the answer is kept", async () => {
  const { deliver, settled } = bench("answered", "UnprocessedUpdate");
  expect(await deliver()).toBe("kept");
  expect(settled).toEqual([]);
});
