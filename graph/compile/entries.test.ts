import { describe, expect, test } from "vitest";
import { compile, selectEntries } from "../index.ts";
import type { Plan } from "../plan.ts";
import { testCatalogue } from "../testing/catalogue.ts";

const TYPES: Record<string, string> = { start: "Start", hook: "WebhookTrigger", timer: "TimerStartNode" };

/** Node `start…`, `hook…`, `timer…` is of that type, any other a Set. A `!` after an id disables it. */
function planOf(ids: string[], ...edges: string[]): Plan {
  const nodes = ids.map((text) => {
    const id = text.replace("!", "");
    return {
      id,
      type: TYPES[id.replace(/\d/g, "")] ?? "Set",
      data: { inputs: id.startsWith("timer") ? { schedule_type: "manual" } : {}, settings: { disabled: text.endsWith("!") } },
    };
  });
  const result = compile({ nodes, edges: edges.map((text) => ({ source: text.split("->")[0], target: text.split("->")[1] })) }, testCatalogue);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.plan;
}

describe("where a run begins", () => {
  test.each<[string, string[], string[], string[]]>([
    ["several Starts without anything before them", ["start1", "start2", "a"], ["start1->a", "start2->a"], ["start1", "start2"]],
    ["a Start behind a trigger", ["hook", "start", "a"], ["hook->start", "start->a"], ["start"]],
    ["a Start behind a Start behind a trigger", ["hook", "start1", "start2"], ["hook->start1", "start1->start2"], ["start1", "start2"]],
    ["a Start behind work: the sole other trigger", ["hook", "a", "start"], ["hook->a", "a->start"], []],
    ["a sole trigger", ["timer", "a"], ["timer->a"], ["timer"]],
    ["no trigger", ["a", "b", "c"], ["a->c", "b->c"], ["a", "b"]],
    ["a disabled Start and one trigger", ["start!", "hook", "a"], ["start->a", "hook->a"], ["hook"]],
  ])("A5: When there is %s, then the run begins there", (_what, ids, edges, expected) => {
    expect(planOf(ids, ...edges).entries.manual).toEqual(expected);
  });

  test("A5: When there are several triggers and no Start, then the request must name one", () => {
    const plan = planOf(["hook", "timer", "a"], "hook->a", "timer->a");
    expect(selectEntries(plan)).toMatchObject({ problem: { code: "entry.required", message: expect.stringContaining("hook, timer") as unknown } });
    expect(selectEntries(plan, "timer")).toEqual({ entries: ["timer"] });
  });

  test("A5: When an entry is named that is none, then the answer says which are", () => {
    const plan = planOf(["hook", "start", "a"], "hook->start", "start->a");
    expect(selectEntries(plan)).toEqual({ entries: ["start"] });
    expect(selectEntries(plan, "hok")).toMatchObject({ problem: { code: "entry.unknown", hint: "Did you mean `hook`?" } });
    expect(selectEntries(plan, "a")).toMatchObject({ problem: { code: "entry.unknown" } });
  });

  test("A5: When all triggers are disabled, then nothing can begin", () => {
    expect(selectEntries(planOf(["hook!", "a"], "hook->a"))).toMatchObject({
      problem: { code: "entry.required", message: expect.stringContaining("disabled") as unknown },
    });
  });
});
