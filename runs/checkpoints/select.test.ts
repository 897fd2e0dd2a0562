import { describe, expect, test } from "vitest";
import type { FailureValue, JsonObject, NodeStatus } from "#core";
import { compile, type Plan } from "#graph";
import { catalogue, isEffectFree } from "#nodes";
import { givenKey } from "#workflows/messages";
import type { RecordedNode } from "../types.ts";
import { editedNodes, positionOf } from "./edits.ts";
import { placesOf } from "./places.ts";
import { select, selectRecording, type SelectOptions } from "./select.ts";

const FAILURE: FailureValue = { code: "upstream.rejected", message: "No.", retryable: false };

interface Node {
  type?: string;
  inputs?: JsonObject;
  settings?: JsonObject;
}

/** `edges` are `"source[:handle] target[:handle]"`. */
function planOf(nodes: Record<string, Node>, edges: readonly string[]): Plan {
  const end = (text: string): [string, string | undefined] => text.split("!") as [string, string | undefined];
  const compiled = compile(
    {
      nodes: Object.entries(nodes).map(([id, { type = "HttpRequest", inputs = type === "HttpRequest" ? { url: "http://x.example" } : {}, settings = {} }]) => ({
        id,
        type,
        data: { inputs, settings },
      })),
      edges: edges.map((edge) => {
        const [[source, sourceHandle], [target, targetHandle]] = edge.split(" ").map(end) as [[string, string | undefined], [string, string | undefined]];
        return { source, target, ...(sourceHandle && { sourceHandle }), ...(targetHandle && { targetHandle }) };
      }),
    },
    catalogue,
  );
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  return compiled.plan;
}

/** Rows as `"node"` or `"iteration:node"`, completed unless said. */
function rowsOf(plan: Plan, rows: Record<string, NodeStatus | Partial<RecordedNode>>): RecordedNode[] {
  const places = placesOf(plan);
  return Object.entries(rows).map(([key, said]) => {
    const [iteration, node_id] = key.includes(":") ? (key.split(":") as [string, string]) : ["", key];
    const { status = "completed", ...more } = typeof said === "string" ? { status: said } : said;
    const type = places.get(node_id)?.step.type ?? "HttpRequest";
    const body = places.get(node_id)?.step.body;
    return {
      node_id,
      iteration,
      type,
      status,
      route: status === "completed" && body ? "done" : null,
      error: status === "failed" ? FAILURE : null,
      output_bytes: status === "completed" ? 10 : null,
      ...more,
    };
  });
}

const done = (...keys: string[]): Record<string, NodeStatus> => Object.fromEntries(keys.map((key) => [key, "completed"]));

function taken(plan: Plan, rows: Parameters<typeof rowsOf>[1], options: Partial<SelectOptions> = {}): string[] {
  const selection = select({
    from: plan,
    to: plan,
    nodes: rowsOf(plan, rows),
    receipts: new Set(),
    again: [],
    edited: new Set(),
    failedItems: "again",
    isEffectFree,
    ...options,
  });
  return selection.taken.map(({ node_id, iteration }) => (iteration === "" ? node_id : `${iteration}:${node_id}`)).toSorted();
}

const MAP = planOf(
  { start: { type: "Start" }, first: {}, each: { type: "ForEach", inputs: { items: "{{first.body}}" } }, call: {}, keep: {}, end: { type: "End" } },
  ["start first", "first each", "each!body call", "call keep", "keep each!return", "each!done end"],
);

/** A map in which a loop turns, in which two calls are made. */
const NESTED = planOf(
  {
    start: { type: "Start" },
    each: { type: "ForEach", inputs: { items: "{{inputs.items}}" } },
    before: {},
    turns: { type: "Loop", inputs: { times: 4 } },
    x: {},
    y: {},
    after: {},
    end: { type: "End" },
  },
  ["start each", "each!body before", "before turns", "turns!body x", "x y", "y turns!return", "turns!done after", "after each!return", "each!done end"],
);
const all = (items: number, turns: number): string[] =>
  Array.from({ length: items }, (_nothing, item) => [
    `${item}:before`,
    `${item}:turns`,
    `${item}:after`,
    ...Array.from({ length: turns }, (_none, turn) => [`${item}.${turn}:x`, `${item}.${turn}:y`]).flat(),
  ]).flat();

describe("what a retry takes from the run before", () => {
  test("A15: When an item of a map has failed, then all calls that ended stand, and neither it nor what was called off", () => {
    const rows = { ...done("start", "first", "0:call", "0:keep", "1:call"), "1:keep": "failed", "2:call": "cancelled", each: "failed" } as const;
    expect(taken(MAP, rows)).toEqual(["0:call", "0:keep", "1:call", "first"]);
  });

  test("A15: When a map has ended, then it stands as a whole and its items are not looked at", () => {
    expect(taken(MAP, { ...done("start", "first", "0:call", "0:keep", "each"), end: "failed" })).toEqual(["each", "first"]);
  });

  test("A15: When a loop in a map has failed in its third turn, then the turns before stand, and whole loops of other items", () => {
    const rows = { ...done("start", ...all(1, 4), "1:before", "1.0:x", "1.0:y", "1.1:x"), "1.1:y": "failed", "1:turns": "failed", each: "failed" } as const;
    expect(taken(NESTED, rows)).toEqual(["0:after", "0:before", "0:turns", "1.0:x", "1.0:y", "1.1:x", "1:before"]);
  });

  test("A15: When a failure was handled, then it stands as a failure; one that ended the run does not, nor where the new version no longer handles it", () => {
    const graph = (onError: string) => planOf({ start: { type: "Start" }, a: { settings: { on_error: onError } }, b: {} }, ["start a", "a b"]);
    const rows = { a: "failed", b: "failed" } as const;
    expect(select({ ...options(graph("continue")), nodes: rowsOf(graph("continue"), rows) }).taken).toEqual([
      { node_id: "a", iteration: "", source: "failure" },
    ]);
    expect(taken(graph("continue"), rows, { to: graph("fail") })).toEqual([]);
  });

  test("A15: When a call left a receipt before it was called off, then the receipt stands", () => {
    const rows = rowsOf(MAP, { ...done("first"), "0:call": "cancelled", "1:call": "cancelled" });
    const { taken: found } = select({ ...options(MAP), nodes: rows, receipts: new Set([givenKey("call", "1")]) });
    expect(found).toEqual([
      { node_id: "first", iteration: "", source: "row" },
      { node_id: "call", iteration: "1", source: "receipt" },
    ]);
  });

  test("A15: When an output is not there any more, then what has no effect runs again, and what has one is told as lost", () => {
    const plan = planOf(
      { start: { type: "Start" }, sum: { type: "Transform", inputs: { expression: "1" } }, set: { type: "Set", inputs: { values: {} } }, call: {} },
      ["start sum", "sum set", "set call"],
    );
    const gone = { status: "completed", output_bytes: null } as const;
    const selection = select({ ...options(plan), nodes: rowsOf(plan, { sum: gone, set: gone, call: gone }) });
    expect([selection.taken, selection.lost.map(({ node_id }) => node_id)]).toEqual([[], ["call"]]);
    expect(select({ ...options(plan), nodes: rowsOf(plan, { call: gone }), receipts: new Set([givenKey("call", "")]) }).taken).toHaveLength(1);
  });

  test("A12 A15: When the new version has another type, route or list, then what hangs on it runs again", () => {
    const graph = (type: string) =>
      planOf({ start: { type: "Start" }, a: {}, b: { type, inputs: type === "Set" ? { values: {} } : { template: "t" } }, c: {}, d: {} }, [
        "start a",
        "a b",
        "b c",
        "a d",
      ]);
    expect(taken(graph("Set"), done("a", "b", "c", "d"), { to: graph("Template") })).toEqual(["a", "d"]);
    const cases = (routes: number) =>
      planOf(
        { start: { type: "Start" }, s: { type: "Switch", inputs: { value: 1, cases: Array.from({ length: routes }, (_none, at) => ({ equals: at })) } } },
        ["start s"],
      );
    expect(taken(cases(2), { s: { route: "case:1" } }, { to: cases(1) })).toEqual([]);
    expect(taken(cases(1), { s: { route: "case:0" } }, { to: cases(2) })).toEqual(["s"]);
    const items = (list: string) =>
      planOf({ start: { type: "Start" }, each: { type: "ForEach", inputs: { items: list } }, call: {} }, ["start each", "each!body call", "call each!return"]);
    const half = { "0:call": "completed", each: "failed" } as const;
    expect(taken(items("{{inputs.a}}"), half)).toEqual(["0:call"]);
    expect(taken(items("{{inputs.a}}"), half, { to: items("{{inputs.b}}") })).toEqual([]);
  });

  test("A15: When nodes were undone, then they and what is behind them run again, in the iteration they were undone in", () => {
    const plan = planOf(
      {
        start: { type: "Start" },
        each: { type: "ForEach", inputs: { items: "{{inputs.items}}" } },
        look: {},
        reserve: {},
        free: {},
        pay: {},
        end: { type: "End" },
      },
      ["start each", "each!body look", "look reserve", "reserve!compensate free", "reserve pay", "pay each!return", "each!done end"],
    );
    const rows = { ...done("0:look", "0:reserve", "0:pay", "1:look", "1:reserve", "1:free"), "1:pay": "failed", each: "failed" } as const;
    expect(taken(plan, rows)).toEqual(["0:look", "0:pay", "0:reserve", "1:look"]);
    expect(taken(plan, rows, { receipts: new Set([givenKey("reserve", "1")]) })).toEqual(["0:look", "0:pay", "0:reserve", "1:look"]);
    const outOfTime = { ...rows, "1:free": { status: "cancelled", never_began: true } } as const;
    expect(taken(plan, outOfTime)).toEqual(["0:look", "0:pay", "0:reserve", "1:look", "1:reserve"]);
  });

  function options(plan: Plan): SelectOptions {
    return { from: plan, to: plan, nodes: [], receipts: new Set(), again: [], edited: new Set(), failedItems: "again", isEffectFree };
  }
});

describe("what a fork takes from the run before", () => {
  const everything = done("start", "each", "end", ...all(3, 4));

  test("A15: When it begins in one turn of a loop in one item, then that turn's way to it stands, the turns before and the other items, and nothing behind", () => {
    expect(taken(NESTED, everything, { again: [positionOf(NESTED, "y", "1.2")] })).toEqual(
      ["0:after", "0:before", "0:turns", "1.0:x", "1.0:y", "1.1:x", "1.1:y", "1.2:x", "1:before", "2:after", "2:before", "2:turns"].toSorted(),
    );
  });

  test("A15: When it begins in a body without naming an iteration, then every item does, and of a loop nothing stands behind its first turn", () => {
    expect(taken(NESTED, everything, { again: [positionOf(NESTED, "y", undefined)] })).toEqual(["0.0:x", "0:before", "1.0:x", "1:before", "2.0:x", "2:before"]);
  });

  test("A15: When it begins at the loop in one item, then nothing of its body stands there", () => {
    expect(taken(NESTED, everything, { again: [positionOf(NESTED, "turns", "1")] })).toEqual(
      ["0:after", "0:before", "0:turns", "1:before", "2:after", "2:before", "2:turns"].toSorted(),
    );
  });

  test("A15: When it begins behind a map, then the map stands; at the map or before it, then nothing of it", () => {
    expect(taken(NESTED, everything, { again: [positionOf(NESTED, "end", undefined)] })).toEqual(["each"]);
    expect(taken(NESTED, everything, { again: [positionOf(NESTED, "each", undefined)] })).toEqual([]);
    expect(taken(NESTED, everything, { again: [positionOf(NESTED, "start", undefined)] })).toEqual([]);
  });

  test("A15: When what a map goes through may be another than it was, then none of its items stands", () => {
    const half = { ...done("first", "0:call"), each: "running" } as const;
    const again = [positionOf(MAP, "end", undefined)];
    expect(taken(MAP, half, { again })).toEqual(["0:call", "first"]);
    expect(taken(MAP, half, { again, edited: new Set(["first"]) })).toEqual(["first"]);
    expect(taken(MAP, half, { again, edited: "all" })).toEqual(["first"]);
  });

  test("A15: When a map went on from items that failed, then they stand as failures in a fork within it, and a retry of one that was cut off tries them again", () => {
    const rows = { ...done("start", "first", "0:call", "0:keep"), "1:call": "failed", each: "completed" } as const;
    const again = [positionOf(MAP, "keep", "0")];
    expect(taken(MAP, rows, { again, failedItems: "stand" })).toEqual(["0:call", "1:call", "first"]);
    expect(taken(MAP, { ...rows, each: "failed" }, { again, failedItems: "stand" })).toEqual(["0:call", "first"]);
    expect(taken(MAP, { ...rows, each: "cancelled" })).toEqual(["0:call", "0:keep", "first"]);
  });

  test("A15: When the node or iteration is not there, then the request is refused with where", () => {
    expect(() => positionOf(NESTED, "nowhere", undefined)).toThrow(expect.objectContaining({ findings: [expect.objectContaining({ path: "from_node" })] }));
    expect(() => positionOf(NESTED, "y", "1")).toThrow(expect.objectContaining({ findings: [expect.objectContaining({ path: "iteration" })] }));
  });

  test("A15: When outputs are edited, then they stand in the iteration that the fork begins in, and every edit that means nothing is told", () => {
    const at = positionOf(NESTED, "y", "1.2");
    expect(editedNodes(NESTED, at, { outputs: { x: 7, before: { a: 1 } } }, () => undefined)).toEqual({
      [givenKey("x", "1.2")]: { value: 7 },
      [givenKey("before", "1")]: { value: { a: 1 } },
    });
    const refused = { outputs: { y: 1, after: 2, end: 3, nowhere: 4, x: 5 }, routes: { x: "left" } };
    expect(() => editedNodes(NESTED, at, refused, () => undefined)).toThrow(
      expect.objectContaining({
        findings: ["outputs.y", "outputs.after", "outputs.end", "outputs.nowhere", "outputs.x"].map((path) => expect.objectContaining({ path })),
      }),
    );
    const decided = planOf({ start: { type: "Start" }, ask: { type: "HumanApproval", inputs: { prompt: "?" } }, end: { type: "End" } }, [
      "start ask",
      "ask!approved end",
    ]);
    const edit = (routes?: Record<string, string>) =>
      editedNodes(decided, positionOf(decided, "end", undefined), { outputs: { ask: {} }, ...(routes && { routes }) }, () => undefined);
    expect(edit({ ask: "approved" })).toEqual({ [givenKey("ask", "")]: { value: {}, route: "approved" } });
    expect(() => edit()).toThrow();
    expect(() => edit({ ask: "sideways" })).toThrow();
  });
});

test("A15: When a run is replayed, then calls and waits stand however they ended, and all that is evaluated does not", () => {
  const rows = rowsOf(NESTED, { ...done("start", "each", "end", ...all(1, 1)), "0.1:x": "failed", "0.1:y": "cancelled" });
  const { taken: found, lost } = selectRecording({ to: NESTED, nodes: rows, receipts: new Set() });
  expect(found.map(({ node_id, iteration, source }) => `${iteration}:${node_id} ${source}`)).toEqual([
    "0:before row",
    "0:after row",
    "0.0:x row",
    "0.0:y row",
    "0.1:x failure",
  ]);
  expect(lost).toEqual([]);
});
