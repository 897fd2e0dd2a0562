import { describe, expect, test } from "vitest";
import type { Json } from "#core";
import { compile } from "#graph";
import type { ActivityContext, HttpRequestSpec, SandboxProgram } from "../define.ts";
import { catalogue } from "../index.ts";
import code from "./code.ts";

/** Runs the node over a sandbox that hands its program to `act`. */
async function run(inputs: Record<string, unknown>, act: (program: SandboxProgram, signal: AbortSignal) => Promise<Json>) {
  const sent: HttpRequestSpec[] = [];
  const lines: string[] = [];
  const context = {
    input: { a: 1 },
    scope: { inputs: { b: 2 }, variables: { c: 3 } },
    tenantId: "t",
    idempotencyKey: "run:größe:",
    signal: new AbortController().signal,
    log: (line: string) => lines.push(line),
    services: {
      sandbox: { run: act },
      http: {
        request: (spec: HttpRequestSpec) => {
          sent.push(spec);
          return Promise.resolve({ status: 201, url: spec.url, headers: { a: "b" }, body: new TextEncoder().encode("grün") });
        },
      },
    },
  } as unknown as ActivityContext;
  const { value } = await code.run(code.inputs.parse({ code: "return 1", ...inputs }), context);
  return { value, sent, lines };
}

test("B1: When it runs, then the code gets input, inputs and variables, and its value is handed on", async () => {
  const { value, lines } = await run({ timeout: "2s" }, async (program) => {
    program.log("hello");
    return [program.code, program.parameters as Json, program.timeoutMs ?? null, program.fetch === undefined];
  });
  expect(value).toEqual(["return 1", { input: { a: 1 }, inputs: { b: 2 }, variables: { c: 3 } }, 2000, true]);
  expect(lines).toEqual(["hello"]);
});

test("F4: When the network is not allowed, then there is no fetch and no receipt is needed", async () => {
  expect((await run({}, async ({ fetch }) => fetch === undefined)).value).toBe(true);
  expect([{}, { allow_network: false }, { allow_network: true }, { allow_network: "true" }].map((inputs) => code.mayAct?.(inputs))).toEqual([
    false,
    false,
    true,
    true,
  ]);
});

test("A5: When the network is allowed, then each fetch goes through the guarded service with a key of its own", async () => {
  const { value, sent } = await run({ allow_network: true }, async ({ fetch }, signal) => {
    const answer = await fetch?.({ method: "POST", url: "https://api.example/a", headers: { "X-A": "1" }, body: "x" }, signal);
    await fetch?.({ method: "GET", url: "https://api.example/b", headers: {} }, signal);
    await fetch?.({ method: "PUT", url: "https://api.example/c", headers: { "Idempotency-Key": "mine" } }, signal);
    return answer as unknown as Json;
  });
  expect(value).toEqual({ status: 201, url: "https://api.example/a", headers: { a: "b" }, body: "grün" });
  expect(sent).toMatchObject([
    {
      tenantId: "t",
      method: "POST",
      url: "https://api.example/a",
      headers: { "x-a": "1", "idempotency-key": "run%3Agr%C3%B6%C3%9Fe%3A%3A1" },
      body: "x",
      followRedirects: true,
      verifyTls: true,
    },
    { method: "GET", headers: {} },
    { method: "PUT", headers: { "idempotency-key": "mine" } },
  ]);
});

describe("in a graph", () => {
  const graph = (source: string) => ({
    nodes: [
      { id: "s", type: "Start" },
      { id: "c", type: "Code", data: { inputs: { code: source } } },
    ],
    edges: [{ id: "e", source: "s", target: "c" }],
  });

  test("B1: When it is compiled, then braces in the code are no template, and the run's inputs and variables are handed to it", () => {
    const source = "const f = () => {{ return 1 }}; return `{{secrets.X}}`";
    const result = compile(graph(source), catalogue);
    if (!("plan" in result)) throw new Error(JSON.stringify(result));
    const step = result.plan.steps.find(({ id }) => id === "c");
    expect(step).toMatchObject({
      kind: "activity",
      local: true,
      scope_roots: ["inputs", "variables"],
      inputs: { k: "lit", v: { code: source, allow_network: false } },
    });
  });
});
