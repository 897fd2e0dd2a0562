import { describe, expect, test } from "vitest";
import { compile } from "./index.ts";
import { testCatalogue } from "../testing/catalogue.ts";

const graph = (concurrency: unknown) => ({
  settings: { concurrency },
  nodes: [
    { id: "start", type: "Start" },
    { id: "end", type: "End" },
  ],
  edges: [{ source: "start", target: "end" }],
});

describe("settings.concurrency", () => {
  test("A11: When it is a number or an object, then the plan has the limit", () => {
    const settings = (given: unknown) => {
      const compiled = compile(graph(given), testCatalogue);
      return compiled.ok ? compiled.plan.settings.concurrency : compiled.problems;
    };
    expect(settings(3)).toEqual({ limit: 3 });
    expect(settings({ limit: 2, maxQueued: 0, holdWhileWaiting: true })).toEqual({ limit: 2, max_queued: 0, hold_while_waiting: true });
    expect(settings({ limit: 1, key: "eu-{{inputs.customer}}" })).toMatchObject({ limit: 1, key: { k: "text" } });
  });

  test("A11: When it is wrong, then each mistake is said with its place", () => {
    const problems = (given: unknown) => {
      const compiled = compile(graph(given), testCatalogue);
      return compiled.ok ? [] : compiled.problems.map(({ code, path }) => `${code} ${path}`);
    };
    expect(problems(0)).toEqual(["settings.invalid settings.concurrency"]);
    expect(problems("many")).toEqual(["settings.invalid settings.concurrency"]);
    expect(problems({})).toEqual(["settings.invalid settings.concurrency.limit"]);
    expect(problems({ limit: 0, max_queued: -1 })).toEqual(["settings.invalid settings.concurrency.limit", "settings.invalid settings.concurrency.max_queued"]);
    expect(problems({ limit: 1, key: "{{end.x}}" })).toEqual(["reference.unknown settings.concurrency.key"]);
    expect(problems({ limit: 1, key: "{{secrets.X}}" })).toEqual(["secret.not_allowed settings.concurrency.key"]);
    expect(problems({ limit: 1, key: "{{inputs." })).toEqual(["template.syntax settings.concurrency.key"]);
  });
});
