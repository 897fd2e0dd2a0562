import { describe, expect, test } from "vitest";
import { RULE_MAX_LENGTH, createRule } from "./rules.ts";

const event = { kind: "node_end", node_id: "ask", input: { amount: 7 }, output: { total: 120 }, error: null };

describe("rules of subscriptions", () => {
  test.each<[string, boolean]>([
    ["node_id == 'ask' && output.total > 100", true],
    ["event.node_id == 'ask'", true],
    ["input.amount == 7", true],
    ["output.total", false],
    ["output.nothing == 1", false],
    ["unknown == 1", false],
    ["event.output.total < 100", false],
    ["kind in ['node_end', 'node_error']", true],
  ])("G3: When a rule is %s, then the event is wanted: %s", (where, wanted) => {
    expect(createRule({ where })?.wants("node_end", () => event)).toBe(wanted);
  });

  test("G3: When kinds are named, then others are not looked at", () => {
    const rule = createRule({ events: ["node_error", "message"], where: "true" });
    const looked = () => {
      throw new Error("looked at");
    };
    expect(rule?.wants("node_end", looked)).toBe(false);
    expect(rule?.wants("message", () => event)).toBe(true);
    expect(createRule({})).toBeUndefined();
  });

  test("G3 A10: When the rule of somebody who may only watch would take for ever, then its event is not wanted, and others' rules do not wait for it", () => {
    let doubled = "v20.size() > 0";
    for (let at = 20; at > 0; at--) doubled = `cel.bind(v${at}, v${at - 1} + v${at - 1}, ${doubled})`;
    const rules = [`cel.bind(v0, [1], ${doubled})`, "!output.text.matches('(?i)x{1,50}y')", "!output.items.exists(a, output.text.contains('y'))"];
    const large = { ...event, output: { text: "x".repeat(200_000), items: Array.from({ length: 5_000 }, () => 1) } };
    for (const rule of rules) expect(createRule({ where: rule })?.wants("node_end", () => large)).toBe(false);
  });

  test("G3: When a rule is wrong, then all that is wrong is said at once", () => {
    const problems = (rule: Parameters<typeof createRule>[0]) => {
      try {
        createRule(rule);
        return [];
      } catch (error) {
        return (error as { findings: { path: string; code: string }[] }).findings.map(({ path, code }) => `${path} ${code}`);
      }
    };
    expect(problems({ events: ["node_end", "no_kind"], where: "a ===" })).toEqual(["events.1 validation.kind", "where expression.invalid"]);
    expect(problems({ where: `'${"x".repeat(RULE_MAX_LENGTH)}' == kind` })).toEqual(["where expression.invalid"]);
    expect(problems({ where: "{{event}}" })).toEqual(["where expression.invalid"]);
  });
});
