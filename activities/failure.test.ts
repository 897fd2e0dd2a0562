import { describe, expect, test } from "vitest";
import { FAILURES, PerdureError, type FailureCode } from "#core";
import type { StepPolicy } from "#graph";
import { backoffMs, databaseUnavailable, judge, toApplicationFailure } from "./failure.ts";

const policy: StepPolicy = {
  maximum_attempts: 3,
  initial_interval_ms: 1000,
  backoff_coefficient: 2,
  maximum_interval_ms: 60_000,
  non_retryable: [],
  timeout_ms: 1000,
  deadline_ms: 60_000,
};

describe("judge", () => {
  test.each(Object.entries(FAILURES) as [FailureCode, { retryable: boolean }][])(
    "A16: When the first attempt fails with %s, then the table decides",
    (code, { retryable }) => {
      const failure = toApplicationFailure(judge(new PerdureError(code, "It failed."), 1, policy));
      expect(failure).toMatchObject({ type: code, message: "It failed.", nonRetryable: !retryable, nextRetryDelay: retryable ? 1000 : undefined });
      expect(failure.details).toEqual([{ code, message: "It failed.", retryable }, { told: !retryable }]);
    },
  );

  test.each([
    [1, 1000],
    [2, 2000],
    [3, undefined],
    [4, undefined],
  ])("A4: When it is failure %i of three, then the next attempt is in %s ms", (failures, expected) => {
    expect(judge(new PerdureError("upstream.failed", "x"), failures, policy).retryInMs).toBe(expected);
  });

  test("A4: When the policy lists the code or allows one attempt, then there is no other", () => {
    expect(judge(new PerdureError("upstream.failed", "x"), 1, { ...policy, non_retryable: ["upstream.failed"] }).retryInMs).toBeUndefined();
    expect(judge(new PerdureError("upstream.failed", "x"), 1, { ...policy, maximum_attempts: 1 }).retryInMs).toBeUndefined();
  });

  test("When the other side says how long to wait, then that is the wait", () => {
    expect(judge(new PerdureError("upstream.rate_limited", "x", { retryAfterMs: 7000 }), 1, policy).retryInMs).toBe(7000);
    expect(judge(new PerdureError("upstream.rate_limited", "x", { retryable: false }), 1, policy).retryInMs).toBeUndefined();
  });

  test("When the error is none of ours, then nothing of it is told", () => {
    const failure = toApplicationFailure(judge(new TypeError("secret in a stack"), 1, policy));
    expect(failure).toMatchObject({ type: "internal", nonRetryable: false });
    expect(JSON.stringify([failure.message, failure.details])).not.toContain("secret");
  });
});

test("A4: When failures add up, then the wait grows to its limit", () => {
  expect([1, 2, 3, 10].map((failures) => backoffMs(failures, { ...policy, maximum_interval_ms: 5000 }))).toEqual([1000, 2000, 4000, 5000]);
});

test("A4: When our database is away, then the attempt is made again", () => {
  expect(toApplicationFailure(databaseUnavailable())).toMatchObject({ type: "database.unavailable", nonRetryable: false, nextRetryDelay: 2000 });
});
