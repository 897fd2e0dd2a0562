import fc from "fast-check";
import { expect, test } from "vitest";
import type { RunEvent } from "#core";
import { compile, selectEntries } from "#graph";
import { catalogue } from "#nodes";
import { interpret } from "./interpret.ts";
import { comparable, modelGraph, scripted } from "./random-graph.ts";
import { areWritable, runModel } from "./reference-model.ts";

/** 300 in every test run, 10,000 by `npm run test:property`. */
const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 300);

test(
  `A3 A5 A9 A10: When ${RUNS} random graphs run, then the interpreter and the reference model agree on every node, value and outcome`,
  { timeout: 20 * 60_000 },
  async () => {
    let drawn = 0;
    const seen = { completed: 0, failed: 0, cancelled: 0, continued: 0, skipped: 0, joinedAny: 0, repeated: 0, nested: 0, undone: 0 };
    await fc.assert(
      fc.asyncProperty(scripted, async (script) => {
        const compiled = compile(script.graph, catalogue);
        if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
        const chosen = selectEntries(compiled.plan);
        if ("problem" in chosen) throw new Error(chosen.problem.message);
        const expected = runModel(modelGraph(script, compiled.plan), script.commands);
        drawn++;
        fc.pre(areWritable(expected));
        const { facts, links, ...actual } = await interpret(compiled.plan, chosen.entries, script);

        expect(actual.kind).toBe(expected.kind);
        expect(actual.failedNode).toBe(expected.failedNode);
        expect(actual.undone).toEqual(expected.undone);
        expect(statuses(actual.nodes)).toEqual(statuses(expected.nodes));
        expect(actual.outputs).toEqual(comparable(expected.outputs));
        expect(values(actual.nodes)).toEqual(values(expected.nodes));
        // Facts are told again before continue-as-new, and starts before ends; what is told under one key is always the same.
        const told = new Map(facts.map((fact) => [fact.key, fact]));
        const said = (fact: RunEvent | undefined) => [fact?.kind, fact?.node_id, fact?.iteration, fact?.data?.status, fact?.data?.output, fact?.data?.route];
        for (const fact of facts) expect(said(fact)).toEqual(said(told.get(fact.key)));
        const keys = facts.flatMap(({ kind, key }) => (kind === "node_start" ? [] : [key]));
        if (links === 1) expect(new Set(keys).size).toBe(keys.length);

        seen[actual.kind]++;
        if (links > 1) seen.continued++;
        if (Object.keys(actual.nodes).some((key) => key.endsWith("u"))) seen.undone++;
        if (Object.keys(actual.nodes).some((key) => /^\d+:/.test(key))) seen.repeated++;
        if (Object.keys(actual.nodes).some((key) => /^\d+\.\d+:/.test(key))) seen.nested++;
        if (Object.values(actual.nodes).some(({ status }) => status === "skipped")) seen.skipped++;
        if (script.graph.nodes.some((node) => JSON.stringify(node).includes('"join":"any"'))) seen.joinedAny++;
      }),
      { numRuns: RUNS, ...(process.env["PROPERTY_SEED"] && { seed: Number(process.env["PROPERTY_SEED"]) }) },
    );
    expect(drawn - RUNS, "graphs left out for the size of their values").toBeLessThanOrEqual(4 + RUNS / 1_000);
    // Otherwise the graphs are not as varied as the title says.
    for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(RUNS / 50);
  },
);

function statuses(nodes: Record<string, { status: string }>): Record<string, string> {
  return Object.fromEntries(Object.entries(nodes).map(([id, { status }]) => [id, status]));
}

function values(nodes: Record<string, { value?: unknown }>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(nodes).flatMap(([id, { value }]) => (value === undefined ? [] : [[id, comparable(value as never)]])));
}
