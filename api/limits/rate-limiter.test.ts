import type { RateBuckets } from "#db";
import { createLogger } from "#platform";
import { describe, expect, test } from "vitest";
import { memoryRateBuckets } from "../testing/memory-organizations.ts";
import { createRateLimiter } from "./rate-limiter.ts";

const logger = createLogger("api", "silent");

function setUp(processes = 1) {
  const clock = { now: 1_000_000 };
  const shared = memoryRateBuckets(() => clock.now);
  const count = { statements: 0 };
  const buckets: RateBuckets = {
    ...shared,
    take(...args) {
      count.statements++;
      return shared.take(...args);
    },
  };
  const limiters = Array.from({ length: processes }, () => createRateLimiter(buckets, logger, () => clock.now));
  return { clock, count, limiters, limiter: limiters[0] ?? createRateLimiter(buckets, logger) };
}

describe("buckets of tokens", () => {
  test("F4: When a bucket is used up, then further requests are refused with the time until the next, and pass after it", async () => {
    const { clock, limiter } = setUp();
    const rate = { tokens: 10, perMs: 1_000, burst: 3 };
    const take = () => limiter.take("user", "a", rate);
    expect([await take(), await take(), await take()].map(({ allowed, remaining }) => [allowed, remaining])).toEqual([
      [true, 2],
      [true, 1],
      [true, 0],
    ]);
    const refused = await take();
    expect(refused).toMatchObject({ allowed: false, remaining: 0, retryAfterMs: 100, resetMs: 300 });
    expect((await limiter.take("user", "b", rate)).allowed).toBe(true);
    clock.now += refused.retryAfterMs;
    expect((await take()).allowed).toBe(true);
    expect((await take()).allowed).toBe(false);
    clock.now += 60_000;
    expect((await Promise.all(Array.from({ length: 5 }, take))).filter(({ allowed }) => allowed)).toHaveLength(3);
  });

  test("F4: When several processes serve one caller at once, then together they let through what the bucket holds, not one more", async () => {
    for (const burst of [1, 7, 49, 50, 500]) {
      const { limiters } = setUp(4);
      const rate = { tokens: burst, perMs: 3_600_000, burst };
      const verdicts = await Promise.all(limiters.flatMap((limiter) => Array.from({ length: 500 }, () => limiter.take("user", "a", rate))));
      expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(burst);
    }
  });

  test("F4: When a bucket is large, then a process asks the database for few of the requests; when it is empty, for none", async () => {
    const { count, limiter } = setUp();
    const rate = { tokens: 10_000, perMs: 3_600_000, burst: 10_000 };
    for (let n = 0; n < 10_000; n++) expect((await limiter.take("user", "a", rate)).allowed).toBe(true);
    expect(count.statements).toBe(50);
    for (let n = 0; n < 100; n++) expect((await limiter.take("user", "a", rate)).allowed).toBe(false);
    expect(count.statements).toBe(51);
  });

  test("F4: When a token is given back, then it can be taken again, also when the part it came from is gone", async () => {
    const { clock, limiter } = setUp();
    const rate = { tokens: 1, perMs: 3_600_000, burst: 1 };
    for (const later of [0, 0, 20_000]) {
      expect((await limiter.take("failures", "a", rate)).allowed).toBe(true);
      expect((await limiter.take("failures", "a", rate)).allowed).toBe(false);
      clock.now += later;
      await limiter.giveBack("failures", "a", rate);
    }
    expect((await limiter.take("failures", "a", rate)).allowed).toBe(true);
    expect((await limiter.take("failures", "a", rate)).allowed).toBe(false);
  });
});
