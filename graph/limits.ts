/** How large a graph may be. */
export interface GraphLimits {
  nodes: number;
  edges: number;
  /** Of the graph as JSON text in UTF-8. */
  bytes: number;
  /** Lists and objects within one another, from the graph's own on. */
  depth: number;
  /** Occurrences of `{{`, in all texts together: what reading templates costs. */
  expressions: number;
}

export const MAX_NODES = 5_000;
export const MAX_EDGES = 20_000;
export const MAX_GRAPH_BYTES = 5 * 1024 * 1024;
export const MAX_JSON_DEPTH = 100;
export const MAX_EXPRESSIONS = 50_000;
/** Characters of a node's id: it stands in keys of rows, receipts and headers. */
export const MAX_ID_LENGTH = 200;

export const GRAPH_LIMITS: Readonly<GraphLimits> = {
  nodes: MAX_NODES,
  edges: MAX_EDGES,
  bytes: MAX_GRAPH_BYTES,
  depth: MAX_JSON_DEPTH,
  expressions: MAX_EXPRESSIONS,
};

export type Measured = { bytes: number } | { exceeds: "bytes" | "depth" | "expressions" } | { notJson: string };

/** Size of a value as JSON, without recursion and without writing it; stops at the first limit it passes. */
export function measure(value: unknown, limits: Pick<GraphLimits, "bytes" | "depth" | "expressions">): Measured {
  let bytes = 0;
  let expressions = 0;
  const open: { value: unknown; depth: number }[] = [{ value, depth: 0 }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { value: here, depth } = next;
    if (typeof here === "object" && here !== null) {
      if (depth >= limits.depth) return { exceeds: "depth" };
      bytes += 2;
      if (Array.isArray(here)) {
        for (const item of here) open.push({ value: item, depth: depth + 1 });
        bytes += here.length;
      } else {
        for (const [key, inner] of Object.entries(here)) {
          if (inner === undefined) continue;
          bytes += utf8Length(key) + 4;
          open.push({ value: inner, depth: depth + 1 });
        }
      }
    } else if (typeof here === "string") {
      bytes += utf8Length(here) + 2;
      for (let found = here.indexOf("{{"); found !== -1; found = here.indexOf("{{", found + 2)) expressions++;
    } else if (typeof here === "number" && Number.isFinite(here)) bytes += String(here).length;
    else if (typeof here === "boolean" || here === null) bytes += 4;
    else return { notJson: typeof here };
    if (bytes > limits.bytes) return { exceeds: "bytes" };
    if (expressions > limits.expressions) return { exceeds: "expressions" };
  }
  return { bytes };
}

function utf8Length(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f) length += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return length;
}
