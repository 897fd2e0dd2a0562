import { readdirSync, readFileSync } from "node:fs";
import type { Json, JsonObject } from "#core";

/** A stored graph with what must come of it: `tests/graphs/*.json`. */
export interface GraphCase {
  file: string;
  title: string;
  flow_data: { nodes: JsonObject[]; edges: JsonObject[]; settings?: JsonObject };
  inputs: JsonObject;
  /** What people answer, by node. */
  answers?: Record<string, { decision?: string; comment?: string; data?: Json }>;
  /** What each node does, for the reference model, which cannot run nodes. */
  script: Record<
    string,
    {
      route?: string;
      /** In a body, by the last number of the iteration. */
      routes?: Record<string, string>;
      fails?: boolean | "odd";
      onError?: "continue" | "branch";
      runs?: "wait";
      duration?: number;
      join?: "any";
      repeat?:
        | { kind: "loop"; times: number; limited: boolean }
        | { kind: "map"; items: Json[]; concurrency: number; onItemError: "fail" | "skip" | "collect" };
    }
  >;
  /** `nodes` by id, or by `iteration:id` in bodies. */
  expected: { status: string; outputs?: Json; failed_node?: string; nodes: Record<string, string> };
}

const folder = new URL("../graphs/", import.meta.url);

export const graphCases: GraphCase[] = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .map((file) => ({ file, ...(JSON.parse(readFileSync(new URL(file, folder), "utf8")) as Omit<GraphCase, "file">) }));
