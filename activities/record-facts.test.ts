import { expect, test } from "vitest";
import type { RunEvent } from "#core";
import { createActivities, type ActivityDeps } from "./index.ts";

test("G4: When a wait is confirmed, then what its workflow told before is in the log before it", async () => {
  const order: string[] = [];
  const deps = {
    writer: { write: () => {}, flush: async () => void order.push("told before"), close: async () => {} },
    log: { append: async (facts: { event: RunEvent }[]) => facts.map(({ event }) => order.push(event.kind)).length },
  } as unknown as ActivityDeps;
  await createActivities(deps).recordFacts({
    tenant_id: "t",
    events: [{ run_id: "r", key: "ask::1:waiting", kind: "waiting", at: "2026-01-01T00:00:00.000Z" }],
  });
  expect(order).toEqual(["told before", "waiting"]);
});
