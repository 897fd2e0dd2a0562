import { describe, expect, test } from "vitest";
import { diff } from "./index.ts";

const before = {
  nodes: [
    { id: "a", type: "Start", position: { x: 0, y: 0 } },
    {
      id: "b",
      type: "HttpRequest",
      position: { x: 1, y: 0 },
      data: { name: "Get", inputs: { url: "https://x", headers: { A: "1", B: "2" } }, settings: { retry: { maximum_attempts: 3 } } },
    },
    { id: "c", type: "End" },
  ],
  edges: [
    { id: "1", source: "a", target: "b" },
    { id: "2", source: "b", target: "c" },
  ],
};

describe("the difference of two graphs", () => {
  test("A12: When only positions, edge ids and the order differ, then there is none", () => {
    const after = {
      nodes: [...before.nodes].reverse().map((node) => ({ ...node, position: { x: 9, y: 9 }, selected: true })),
      edges: [
        { id: "x", source: "b", target: "c", sourceHandle: "output" },
        { source: "a", target: "b", targetHandle: "input" },
      ],
    };
    expect(diff(before, { flow_data: after })).toEqual({ nodes: { added: [], removed: [], changed: [] }, edges: { added: [], removed: [] } });
  });

  test("A12: When nodes and edges changed, then each change is told by its path", () => {
    const after = {
      nodes: [
        { id: "a", type: "WebhookTrigger" },
        {
          id: "b",
          type: "HttpRequest",
          data: { name: "Fetch", inputs: { url: "https://x", headers: { A: "1", C: [1] } }, settings: { retry: { maximum_attempts: 5 } } },
        },
        { id: "d", type: "End" },
      ],
      edges: [
        { source: "a", target: "b" },
        { source: "b", target: "d", sourceHandle: "error" },
      ],
    };
    expect(diff(before, after)).toEqual({
      nodes: {
        added: ["d"],
        removed: ["c"],
        changed: [
          { id: "a", changes: [{ path: "type", before: "Start", after: "WebhookTrigger" }] },
          {
            id: "b",
            changes: [
              { path: "name", before: "Get", after: "Fetch" },
              { path: "inputs.headers.B", before: "2" },
              { path: "inputs.headers.C", after: [1] },
              { path: "settings.retry.maximum_attempts", before: 3, after: 5 },
            ],
          },
        ],
      },
      edges: {
        added: [{ source: "b", source_handle: "error", target: "d", target_handle: "input" }],
        removed: [{ source: "b", source_handle: "output", target: "c", target_handle: "input" }],
      },
    });
  });

  test("A12: When a side is no graph, then all of the other is new or gone", () => {
    expect(diff(null, before).nodes.added).toEqual(["a", "b", "c"]);
    expect(diff(before, { nodes: 3 }).edges.removed).toHaveLength(2);
  });
});
