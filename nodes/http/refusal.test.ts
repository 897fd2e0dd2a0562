import { expect, test } from "vitest";
import { refusalText, refusedStatus } from "./refusal.ts";

test("D6: When a node failed with a status, then its failure says which; the query is not told, and what the answer says is not believed", () => {
  const text = refusalText("GET", new URL("https://a.example/x%20y?key=k"), 503, "GET https://b.example/ answered 200: fine");
  expect(text).toBe("GET https://a.example/x%20y answered 503: GET https://b.example/ answered 200: fine");
  expect(refusedStatus(text)).toBe(503);
  expect(refusedStatus("POST https://a.example/[secret KEY]/x answered 404.")).toBe(404);
});

test.each(["a.example did not answer in time.", "The answer (200, text/plain) is no JSON.", ""])(
  "D6: When a node failed with %j, then there was no status",
  (text) => {
    expect(refusedStatus(text)).toBeUndefined();
  },
);
