import { readdirSync, readFileSync } from "node:fs";
import type { Json, JsonObject } from "#core";

/** A stored graph with what must come of it: `tests/graphs/*.json`. */
export interface GraphCase {
  file: string;
  title: string;
  flow_data: { nodes: JsonObject[]; edges: JsonObject[] };
  inputs: JsonObject;
  /** What people answer, by node. */
  answers?: Record<string, { decision?: string; comment?: string; data?: Json }>;
  /** What each node does, for the reference model, which cannot run nodes. */
  script: Record<string, { route?: string; fails?: boolean; onError?: "continue" | "branch"; runs?: "wait"; duration?: number; join?: "any" }>;
  expected: { status: string; outputs?: Json; failed_node?: string; nodes: Record<string, string> };
}

const folder = new URL("../graphs/", import.meta.url);

export const graphCases: GraphCase[] = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .map((file) => ({ file, ...(JSON.parse(readFileSync(new URL(file, folder), "utf8")) as Omit<GraphCase, "file">) }));
