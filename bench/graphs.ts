/** The graphs of the bench, as a client would send them. */
interface Node {
  id: string;
  type: string;
  data?: { inputs: Record<string, unknown> };
}
interface Edge {
  source: string;
  target: string;
  sourceHandle?: string;
  targetHandle?: string;
}
export interface Graph {
  nodes: Node[];
  edges: Edge[];
  settings?: Record<string, unknown>;
}

export function chain(length: number, node: (n: number) => Node): Graph {
  const nodes = [{ id: "start", type: "Start" }, ...Array.from({ length }, (_nothing, n) => node(n)), { id: "end", type: "End" }];
  return { nodes, edges: nodes.slice(1).map(({ id }, at) => ({ source: nodes[at]?.id ?? "", target: id })) };
}

export function inlineChain(length: number): Graph {
  return chain(length, (n) => ({ id: `set_${n}`, type: "Set", data: { inputs: { values: { n } } } }));
}

export function callChain(length: number, url: string): Graph {
  return chain(length, (n) => callNode(`call_${n}`, `${url}/${n}`));
}

/** The most that one run may have in flight. */
const MAX_PARALLEL = 50;

/** All calls side by side, and one node that waits for them. */
export function fanOut(width: number, url: string): Graph {
  const calls = Array.from({ length: width }, (_nothing, n) => callNode(`call_${n}`, `${url}/${n}`));
  return {
    nodes: [{ id: "start", type: "Start" }, ...calls, { id: "end", type: "End" }],
    edges: calls.flatMap(({ id }) => [
      { source: "start", target: id },
      { source: id, target: "end" },
    ]),
    settings: { max_parallel: MAX_PARALLEL },
  };
}

/** A call for each of `{{inputs.items}}`, fifty at a time. */
export function mapOfCalls(url: string): Graph {
  return {
    nodes: [
      { id: "start", type: "Start" },
      { id: "each", type: "MapReduce", data: { inputs: { items: "{{inputs.items}}", concurrency: 50 } } },
      callNode("call", `${url}/{{item}}`),
      { id: "end", type: "End", data: { inputs: { value: "{{each.length}}" } } },
    ],
    edges: [
      { source: "start", target: "each" },
      { source: "each", target: "call", sourceHandle: "body" },
      { source: "call", target: "each", targetHandle: "return" },
      { source: "each", target: "end", sourceHandle: "done" },
    ],
    settings: { max_parallel: MAX_PARALLEL },
  };
}

export function nestedLoops(outer: number, inner: number): Graph {
  return {
    nodes: [
      { id: "start", type: "Start" },
      { id: "rows", type: "Loop", data: { inputs: { times: outer } } },
      { id: "columns", type: "Loop", data: { inputs: { times: inner } } },
      { id: "step", type: "Set", data: { inputs: { values: { n: "{{index}}" } } } },
      { id: "end", type: "End" },
    ],
    edges: [
      { source: "start", target: "rows" },
      { source: "rows", target: "columns", sourceHandle: "body" },
      { source: "columns", target: "step", sourceHandle: "body" },
      { source: "step", target: "columns", targetHandle: "return" },
      { source: "columns", target: "rows", sourceHandle: "done", targetHandle: "return" },
      { source: "rows", target: "end", sourceHandle: "done" },
    ],
  };
}

function callNode(id: string, url: string): Node {
  return { id, type: "HttpRequest", data: { inputs: { url, method: "POST", body: {} } } };
}
