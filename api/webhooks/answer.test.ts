import { describe, expect, test } from "vitest";
import { nodeResponse } from "./answer.ts";

describe("answers of workflows", () => {
  test("F4: When a workflow sets headers that speak for our whole origin or order a proxy about, then they are left out, and its own are sent", () => {
    const kept = [
      "Set-Cookie",
      "Content-Security-Policy",
      "Access-Control-Allow-Origin",
      "NEL",
      "Report-To",
      "Reporting-Endpoints",
      "Alt-Svc",
      "Set-Login",
      "X-Accel-Redirect",
      "X-Sendfile",
      "X-Request-Id",
    ];
    const named = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, "/internal"]));
    for (const names of [kept, kept.map((name) => name.toLowerCase())]) {
      const { response } = nodeResponse({ status: 200, headers: { ...named(names), "X-Order": "4711", Location: "https://shop.example/thanks" }, body: "ok" });
      expect(Object.fromEntries(response.headers)).toEqual({
        "content-type": "text/plain; charset=utf-8",
        location: "https://shop.example/thanks",
        "x-order": "4711",
      });
    }
  });
});
