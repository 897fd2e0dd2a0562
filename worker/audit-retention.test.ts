import { createLogger } from "#platform";
import { expect, test } from "vitest";
import { keepAuditLog } from "./audit-retention.ts";

const logger = createLogger("worker", "silent");

test("F5: When AUDIT_RETENTION_DAYS is set, then entries that are older go, batch by batch, and again in each round; without it none ever", async () => {
  const asked: Date[] = [];
  let left = 12;
  const audit = {
    async forget(before: Date, limit: number) {
      asked.push(before);
      const gone = Math.min(left, limit);
      left -= gone;
      return gone;
    },
  };
  await keepAuditLog({ audit, retentionDays: undefined, logger }).close();
  expect(left).toBe(12);
  const kept = keepAuditLog({ audit, retentionDays: 2, logger, roundMs: 10, batch: 5 });
  await expect.poll(() => left).toBe(0);
  left = 3;
  await expect.poll(() => left).toBe(0);
  await kept.close();
  expect(Math.abs(Date.now() - 2 * 86_400_000 - (asked[0]?.getTime() ?? 0))).toBeLessThan(60_000);
});

test("F5: When the database is away, then the round ends and the next one tries again", async () => {
  let rounds = 0;
  const audit = { forget: () => (rounds++, Promise.reject(new Error("away"))) };
  const kept = keepAuditLog({ audit, retentionDays: 1, logger, roundMs: 10 });
  await expect.poll(() => rounds).toBeGreaterThan(1);
  await kept.close();
});
