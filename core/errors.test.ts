import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { FAILURES, PerdureError, toFailureValue } from "./errors.ts";

describe("the table of failures", () => {
  test("A16: When a code is renamed or changes what it decides, then this fails: stored histories and clients know it by this name", () => {
    const lines = Object.entries(FAILURES).map(([code, { status, retryable }]) => `${code} ${status}${retryable ? " retry" : ""}`);
    expect(lines).toMatchInlineSnapshot(`
      [
        "request.malformed 400",
        "configuration.invalid 400",
        "auth.required 401",
        "auth.invalid 401",
        "auth.forbidden 403",
        "resource.not_found 404",
        "resource.conflict 409",
        "run.closed 409",
        "run.state 409",
        "approval.answered 409",
        "idempotency.mismatch 409",
        "request.method_not_allowed 405",
        "precondition.failed 412",
        "request.upgrade_required 426",
        "request.unsupported_encoding 415",
        "request.too_large 413",
        "graph.invalid 422",
        "graph.stuck 422",
        "entry.required 422",
        "validation.failed 422",
        "template.missing 422",
        "expression.failed 422",
        "code.failed 422",
        "secret.missing 422",
        "credential.missing 422",
        "credential.rejected 422",
        "approval.rejected 422",
        "wait.timed_out 422",
        "node.timed_out 422",
        "loop.limit 422",
        "run.cancelled 409",
        "run.timed_out 422",
        "run.not_started 503 retry",
        "child.failed 422",
        "outbound.refused 422",
        "output.too_large 422",
        "payload.unreadable 500",
        "upstream.rejected 422",
        "upstream.failed 500 retry",
        "upstream.rate_limited 429 retry",
        "upstream.circuit_open 503 retry",
        "network.unreachable 500 retry",
        "network.timed_out 500 retry",
        "vector_store.unavailable 500 retry",
        "rate.limited 429 retry",
        "temporal.unavailable 503 retry",
        "database.unavailable 503 retry",
        "handler.failed 500 retry",
        "handler.rejected 422",
        "internal 500 retry",
      ]
    `);
  });

  test("A16: When the documentation is read, then it has each code with its status, whether it is tried again, and what it means", () => {
    const text = readFileSync(new URL("../docs/errors.md", import.meta.url), "utf8");
    const rows = [...text.matchAll(/^\| `([a-z_.]+)` \| (\d+) \| (yes|no) \| (.{20,}) \|$/gm)].map((row) => row.slice(1, 4).join(" "));
    expect(rows).toEqual(Object.entries(FAILURES).map(([code, { status, retryable }]) => `${code} ${status} ${retryable ? "yes" : "no"}`));
  });

  test("A16: When an error is not ours, then neither its message nor its cause is told", () => {
    expect(toFailureValue(new Error("password=hunter2"))).toEqual({ code: "internal", message: "An unexpected error occurred.", retryable: true });
  });

  test("A16: When a failure says whether it helps to try again, then that beats the table", () => {
    expect(new PerdureError("upstream.failed", "Gone for good.", { retryable: false }).toValue()).toEqual({
      code: "upstream.failed",
      message: "Gone for good.",
      retryable: false,
    });
    expect(new PerdureError("upstream.failed", "Down.").retryable).toBe(true);
  });
});
