import { describe, expect, test } from "vitest";
import { retryAfterMs, upstreamFailure } from "./upstream.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");

describe("upstreamFailure", () => {
  test.each([
    [400, "upstream.rejected", false],
    [401, "credential.rejected", false],
    [403, "credential.rejected", false],
    [404, "upstream.rejected", false],
    [408, "upstream.failed", true],
    [422, "upstream.rejected", false],
    [425, "upstream.failed", true],
    [429, "upstream.rate_limited", true],
    [500, "upstream.failed", true],
    [503, "upstream.failed", true],
  ])("A16: When another system answers %i, then the failure is %s", (status, code, retryable) => {
    expect(upstreamFailure(status, "It said no.", {}, NOW)).toMatchObject({ code, retryable, message: "It said no." });
  });

  test("When the answer names a time to wait, then the failure carries it", () => {
    expect(upstreamFailure(429, "Slow down.", { "retry-after": "7" }, NOW).retryAfterMs).toBe(7000);
    expect(upstreamFailure(503, "Busy.", { "retry-after": "2" }, NOW).retryAfterMs).toBe(2000);
  });
});

describe("retryAfterMs", () => {
  test.each([
    [{ "retry-after": "1.5" }, 1500],
    [{ "retry-after": "Thu, 01 Jan 2026 00:00:30 GMT" }, 30_000],
    [{ "retry-after": "Wed, 31 Dec 2025 00:00:00 GMT" }, 0],
    [{ "retry-after": "86400" }, 3_600_000],
    [{ "retry-after-ms": "250", "retry-after": "9" }, 250],
    [{ "retry-after": "soon" }, undefined],
    [{}, undefined],
  ])("When the headers are %j, then the wait is %s ms", (headers, expected) => {
    expect(retryAfterMs(headers, NOW)).toBe(expected);
  });
});
