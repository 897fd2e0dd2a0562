import { expect, test } from "vitest";
import { catalogue } from "#nodes";
import { compile, credentialsOf } from "../index.ts";
import { brief, graph, node, start } from "../testing/drafts.ts";

const known = "0198c0de-0000-7000-8000-0000000000aa";
const unknown = "0198c0de-0000-7000-8000-0000000000bb";
const credential = (id: string) => (id === known ? "http_bearer" : undefined);
const call = (inputs: Record<string, unknown>) => graph([start, node("call", "HttpRequest", { url: "https://api.example", ...inputs })], "start->call");
const problemsOf = (draft: unknown) => {
  const result = compile(draft, catalogue, { credential });
  return result.ok ? [] : brief(result.problems);
};

test("F2: When a node names a credential, then the plan has its id and nothing else", () => {
  const result = compile(call({ credential: known }), catalogue, { credential });
  expect(result.ok && result.plan.steps.find(({ id }) => id === "call")?.inputs).toMatchObject({ k: "lit", v: { credential: known } });
});

test("F2: When a graph names a credential that is not there or cannot be used, then that is a problem", () => {
  expect(problemsOf(call({ credential: known }))).toEqual([]);
  expect(problemsOf(call({ credential_id: unknown }))).toEqual(["credential.unknown@call"]);
  expect(problemsOf(graph([start, node("ask", "OpenAINode", { prompt: "p", credential: known })], "start->ask"))).toEqual(["credential.type@ask"]);
  expect(problemsOf(call({ credential: "" }))).toEqual([]);
});

test("F2: When a credential would be chosen while it runs, then that is a problem: who starts a run must not choose what it proves itself with", () => {
  expect(problemsOf(call({ credential: "{{inputs.credential}}" }))).toEqual(["input.invalid@call"]);
  const wired = graph([start, node("call", "HttpRequest", { url: "https://api.example" })], "start->call:credential");
  expect(problemsOf(wired)).not.toEqual([]);
});

test("F2: When a graph is asked which credentials it names, then aliases count, and each is told once", () => {
  const nodes = [
    node("a", "http_request", { credential: known.toUpperCase() }),
    node("b", "OpenAIChat", { credentialId: unknown }),
    node("c", "HttpRequest", { credential_id: known }),
    node("d", "Set", { credential: unknown }),
  ];
  expect(credentialsOf({ nodes, edges: [] }, catalogue)).toEqual([known, unknown]);
  expect(credentialsOf({ flow_data: { nodes, edges: [] } }, catalogue)).toEqual([known, unknown]);
  expect(credentialsOf({ nodes: "none" }, catalogue)).toEqual([]);
});
