import { describe, expect, test } from "vitest";
import { compile } from "#graph";
import { catalogue } from "#nodes";
import { assignedNodes, passedOver } from "./assigned.ts";

function planOf(assignees: unknown, type = "HumanApproval") {
  const ask = { id: "ask", type, data: { inputs: { ...(assignees !== undefined && { assignees }) } } };
  const compiled = compile({ nodes: [{ id: "start", type: "Start" }, ask], edges: [{ source: "start", target: "ask" }] }, catalogue);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  return compiled.plan;
}

describe("nodes that only some people may answer", () => {
  test.each<[unknown, boolean]>([
    [["a@example.com"], true],
    [["{{inputs.boss}}"], true],
    ["{{inputs.bosses}}", true],
    ["a@example.com", true],
    [[], false],
    [undefined, false],
  ])("A9: When the assignees are %j, then it is one of them: %s", (assignees, isAssigned) => {
    for (const type of ["HumanApproval", "HumanInput"]) {
      expect(assignedNodes(planOf(assignees, type), ["start", "ask", "nowhere"])).toEqual(isAssigned ? ["ask"] : []);
    }
  });
});

describe("questions that come before a node", () => {
  const ask = (id: string, assignees = ["a@example.com"]) => ({ id, type: "HumanInput", data: { inputs: { assignees } } });
  const plain = (id: string) => ({ id, type: "Set" });
  const edges = [
    ["start", "ask"],
    ["ask", "pay"],
    ["start", "open"],
    ["open", "pay"],
    ["start", "aside"],
    ["pay", "map"],
    ["map#body", "inner"],
    ["inner", "charge"],
    ["charge", "map", "return"],
    ["map#done", "late"],
    ["late", "last"],
  ].map(([from = "", target, targetHandle]) => {
    const [source, sourceHandle] = from.split("#");
    return { source, target, ...(sourceHandle && { sourceHandle }), ...(targetHandle && { targetHandle }) };
  });
  const map = { id: "map", type: "MapReduce", data: { inputs: { items: [0, 1] } } };
  const nodes = [
    { id: "start", type: "Start" },
    ask("ask"),
    ask("open", []),
    plain("aside"),
    plain("pay"),
    map,
    ask("inner"),
    plain("charge"),
    ask("late"),
    plain("last"),
  ];
  const compiled = compile({ nodes, edges }, catalogue);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  const { plan } = compiled;

  test.each<[id: string, iteration: string, ended: string[], expected: string[]]>([
    ["aside", "", [], []],
    ["ask", "", [], []],
    ["pay", "", [":start"], ["ask"]],
    ["pay", "", [":start", ":ask"], []],
    ["map", "", [], ["ask", "inner"]],
    ["charge", "1", [":ask", ":pay"], ["inner"]],
    ["charge", "1", [":ask", ":pay", "0:inner"], ["inner"]],
    ["charge", "1", [":ask", ":pay", "1:inner"], []],
    ["last", "", [":ask", ":pay"], ["inner", "late"]],
    ["last", "", [":ask", ":pay", ":map"], ["late"]],
    ["nowhere", "", [], []],
  ])("A9: When %s of iteration %j would be completed and %j have ended, then it passes over %j", (id, iteration, ended, expected) => {
    expect(passedOver(plan, { id, iteration }, (other, at) => ended.includes(`${at}:${other}`)).toSorted()).toEqual(expected);
  });
});
