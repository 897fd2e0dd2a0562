import { describe, expect, test } from "vitest";
import { fillSecrets, showSecrets } from "./secrets.ts";

const slots = [
  { path: ["headers", "Authorization"], parts: ["Bearer ", { secret: "TOKEN" }] },
  { path: ["list", 1], parts: [{ secret: "OTHER" }] },
];
const inputs = { headers: { Authorization: "", Accept: "*/*" }, list: ["a", ""], url: "https://x/{{secrets.TOKEN}}" };
const secret = (name: string) => ({ TOKEN: "t-1234", OTHER: "o-1234" })[name];

describe("secrets", () => {
  test("F6: When slots are filled, then only they change, and text that looks like a secret stays text", () => {
    const used = new Map<string, string>();
    const filled = fillSecrets(inputs, slots, secret, used);
    expect(filled.inputs).toEqual({ headers: { Authorization: "Bearer t-1234", Accept: "*/*" }, list: ["a", "o-1234"], url: "https://x/{{secrets.TOKEN}}" });
    expect(filled.shown).toEqual({
      headers: { Authorization: "Bearer {{secrets.TOKEN}}", Accept: "*/*" },
      list: ["a", "{{secrets.OTHER}}"],
      url: "https://x/{{secrets.TOKEN}}",
    });
    expect([...used]).toEqual([
      ["TOKEN", "t-1234"],
      ["OTHER", "o-1234"],
    ]);
    expect(inputs.headers.Authorization).toBe("");
  });

  test("F6: When secrets are missing, then all are named", () => {
    expect(() => fillSecrets(inputs, slots, () => undefined, new Map())).toThrow(
      expect.objectContaining({ code: "secret.missing", message: expect.stringContaining("TOKEN, OTHER") }),
    );
  });

  test("When a path names __proto__, then it is a field", () => {
    const shown = showSecrets({}, [{ path: ["__proto__", "polluted"], parts: ["x"] }]);
    expect(Object.hasOwn(shown, "__proto__")).toBe(true);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});
