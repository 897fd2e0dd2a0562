import type { NodeStatus } from "#core";
import { describe, expect, test } from "vitest";
import { canMigrate, compile } from "./index.ts";
import type { Plan } from "./plan.ts";
import { testCatalogue } from "./testing/catalogue.ts";
import { type Draft, edge, node, start } from "./testing/drafts.ts";

function planOf(nodes: Draft[], edges: string[]): Plan {
  const result = compile({ nodes, edges: edges.map((text) => edge(text)) }, testCatalogue);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.plan;
}

const http = (id: string, url = "https://x", settings: Draft = {}) => node(id, "HttpRequest", { url }, settings);
const set = (id: string, values: Draft = {}) => node(id, "Set", { values });

/** `start` and `a` are through, `b` is under way, `c` and `d` are to come; `s` was skipped; `l` is in its second iteration, in which `x` is to come. */
const nodes = [
  start,
  http("a"),
  http("b"),
  set("c"),
  set("d"),
  node("w", "Condition", { condition: "true" }),
  set("s"),
  node("l", "Loop", { times: 3 }),
  set("x"),
  set("y"),
];
const edges = ["start->a", "a->b", "b->c", "c->d", "start->w", "w:false->s", "w:true->l", "l:body->y", "y->x", "x->l:return"];
const before = planOf(nodes, edges);
const statuses: [id: string, iteration: string, status: NodeStatus][] = [
  ["start", "", "completed"],
  ["a", "", "completed"],
  ["b", "", "retrying"],
  ["c", "", "pending"],
  ["w", "", "completed"],
  ["s", "", "skipped"],
  ["l", "", "running"],
  ["y", "0", "completed"],
  ["x", "0", "pending"],
];
const run = { entries: ["start"], nodes: statuses.map(([node_id, iteration, status]) => ({ node_id, iteration, status })) };

/** The same graph with some nodes replaced or added, and edges taken away or added. */
function changed(change: { nodes?: Draft[]; without?: string[]; cut?: string[]; edges?: string[] }): Plan {
  const replaced = new Map(nodes.map((each) => [each["id"], each]));
  for (const each of change.nodes ?? []) replaced.set(each["id"], each);
  for (const id of change.without ?? []) replaced.delete(id);
  return planOf([...replaced.values()], [...edges.filter((each) => !change.cut?.includes(each)), ...(change.edges ?? [])]);
}

describe("moving a live run to another version", () => {
  test.each<[string, Plan]>([
    ["nothing changes", changed({})],
    ["a node that has not begun changes", changed({ nodes: [http("c", "https://other"), set("x", { a: 1 })] })],
    ["a node that was skipped changes inside", changed({ nodes: [set("s", { a: 1 })] })],
    ["a node that has not begun goes", changed({ without: ["d"], cut: ["c->d"] })],
    ["a node comes between two that have not begun", changed({ nodes: [set("n")], cut: ["c->d"], edges: ["c->n", "n->d"] })],
    ["a node hangs from one that is through", changed({ nodes: [set("n")], edges: ["a->n", "n->d"] })],
    ["the retries and name of a node that is through change", changed({ nodes: [{ ...http("a", "https://x", { retry: 7, timeout: "9s" }), name: "Other" }] })],
    ["a node that is through is compensated now", changed({ nodes: [http("undo")], edges: ["a:compensate->undo"] })],
    ["a trigger comes that did not fire", changed({ nodes: [node("hook", "WebhookTrigger")], edges: ["hook->d"] })],
    ["the settings of the graph change", { ...before, settings: { execution: "standard", max_parallel: 3 } }],
  ])("A12: When %s, then the run may go on by it", (_what, to) => {
    expect(canMigrate(run, before, to)).toEqual({ ok: true });
  });

  test.each<[string, Plan, string[], string]>([
    [
      "a node that is through has other inputs",
      changed({ nodes: [http("a", "https://other")] }),
      ["a"],
      "Node `a` has run, but the other version changes its inputs.",
    ],
    [
      "a node that is under way has other retries",
      changed({ nodes: [http("b", "https://x", { retry: 9 })] }),
      ["b"],
      "Node `b` is under way, but the other version changes its retries and time-outs.",
    ],
    ["a node that is through is another type", changed({ nodes: [set("a")] }), ["a"], "Node `a` has run, but the other version changes its type, inputs."],
    [
      "a node that is through is gone",
      changed({ without: ["a"], cut: ["start->a", "a->b"], edges: ["start->b"] }),
      ["a", "b"],
      "Node `a` has run, but is not there any more.",
    ],
    [
      "a node comes before one that is under way",
      changed({ nodes: [set("n")], cut: ["a->b"], edges: ["a->n", "n->b"] }),
      ["b"],
      "Node `b` has been reached, but other edges lead to it.",
    ],
    ["an edge leads to a node that was skipped", changed({ edges: ["a->s"] }), ["s"], "Node `s` has been reached, but other edges lead to it."],
    [
      "a node of an iteration that has run changes",
      changed({ nodes: [set("y", { a: 1 })] }),
      ["y"],
      "Node `y` has run, but the other version changes its inputs.",
    ],
    [
      "a loop that is under way has another body",
      changed({ nodes: [set("n")], edges: ["y->n"] }),
      ["l"],
      "Node `l` is under way, but the other version changes its body.",
    ],
    [
      "a node moves out of a loop's body",
      changed({ cut: ["l:body->y", "y->x", "x->l:return"], edges: ["a->y", "y->x"] }),
      ["l", "y"],
      "Node `l` is under way, but the other version changes its body.",
    ],
    [
      "a node that ran is pinned, and disabled",
      changed({ nodes: [http("a", "https://x", { pinned_output: 1, disabled: true })] }),
      ["a"],
      "Node `a` has run, but the other version changes its `disabled`, `pinned_output`.",
    ],
  ])("A12: When %s, then the nodes are named", (_what, to, ids, message) => {
    const result = canMigrate(run, before, to);
    if (result.ok) throw new Error("it may not");
    expect(result.nodes.map((each) => each.node_id)).toEqual(ids);
    expect(result.nodes[0]?.message).toBe(message);
  });

  test("A12: When only the order of keys changes, as when a graph is read and saved again, then nothing has", () => {
    const written = (values: Draft) => planOf([start, set("v", values), set("end")], ["start->v", "v->end"]);
    const run = { entries: ["start"], nodes: ["start", "v"].map((id) => ({ node_id: id, iteration: "", status: "completed" as const })) };
    const zetaFirst = written({ zeta: "{{input.x}}", a: { c: "{{input.y}}", b: 1 } });
    expect(canMigrate(run, zetaFirst, written({ a: { b: 1, c: "{{input.y}}" }, zeta: "{{input.x}}" }))).toEqual({ ok: true });
    expect(canMigrate(run, zetaFirst, written({ a: { b: 1, c: "{{input.x}}" }, zeta: "{{input.y}}" })).ok).toBe(false);
  });

  test("A12: When `on_error` changes, then it matters to a node that has failed only", () => {
    const to = changed({ nodes: [http("a", "https://x", { on_error: "continue" })] });
    expect(canMigrate(run, before, to).ok).toBe(true);
    const failed = { ...run, nodes: run.nodes.map((each) => (each.node_id === "a" ? { ...each, status: "failed" as const } : each)) };
    expect(canMigrate(failed, before, to)).toEqual({
      ok: false,
      nodes: [{ node_id: "a", message: "Node `a` has run, but the other version changes its `on_error`." }],
    });
  });

  test("A12: When a graph without triggers gets another beginning, then that would begin too late", () => {
    const [from, to] = [planOf([set("a"), set("b")], ["a->b"]), planOf([set("a"), set("b"), set("c")], ["a->b", "c->b"])];
    const begun = { entries: ["a"], nodes: [{ node_id: "a", iteration: "", status: "running" as const }] };
    expect(canMigrate(begun, from, to)).toEqual({ ok: false, nodes: [{ node_id: "c", message: "Node `c` would begin a run that has begun." }] });
  });
});
