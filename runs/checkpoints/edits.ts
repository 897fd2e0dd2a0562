import { type Finding, type Json, type JsonObject, isObject, PerdureError } from "#core";
import type { Plan } from "#graph";
import { type Given, givenKey } from "#workflows/messages";
import { type Position, runsAgain } from "./again.ts";
import { nameOf, numbersOf, type Places, placesOf } from "./places.ts";

/** What a person says of nodes before the one at which a run is forked. */
export interface Edits {
  outputs?: Readonly<Record<string, Json>>;
  routes?: Readonly<Record<string, string>>;
}

/** @throws PerdureError `validation.failed`. */
export function positionOf(plan: Plan, nodeId: string, iteration: string | undefined): Position {
  const place = placesOf(plan).get(nodeId);
  if (!place || place.undoes) throw invalid([{ code: "node.unknown", message: `There is no node \`${nodeId}\` in the graph.`, path: "from_node" }]);
  if (iteration === undefined) return { place };
  const numbers = numbersOf(iteration);
  if (numbers.length !== place.owners.length) {
    const message = `\`${nodeId}\` stands in ${place.owners.length} loops, so its iterations have as many numbers.`;
    throw invalid([{ code: "iteration.invalid", message, path: "iteration" }]);
  }
  return { place, numbers };
}

/**
 * Edited outputs as given nodes, by `givenKey`. A node in a body is meant in the iteration of `at`.
 * @param route - By which way the recorded node was left.
 * @throws PerdureError `validation.failed` with every edit that means nothing.
 */
export function editedNodes(plan: Plan, at: Position, edits: Edits, route: (key: string) => string | undefined): Record<string, Given> {
  const places = placesOf(plan);
  const findings: Finding[] = [];
  const given: Record<string, Given> = {};
  for (const nodeId of new Set([...Object.keys(edits.outputs ?? {}), ...Object.keys(edits.routes ?? {})])) {
    const path = Object.hasOwn(edits.outputs ?? {}, nodeId) ? `outputs.${nodeId}` : `routes.${nodeId}`;
    const say = (message: string): void => void findings.push({ code: "edit.invalid", message, node_id: nodeId, path });
    const key = keyOf(places, at, nodeId, say);
    if (key === undefined) continue;
    const step = places.get(nodeId)?.step;
    const way = edits.routes?.[nodeId] ?? route(key);
    if (step?.routes && (way === undefined || !step.routes.includes(way))) {
      say(`\`${nodeId}\` is left by one of ${step.routes.join(", ")}: say by which in \`routes\`.`);
    } else if (!step?.routes && edits.routes?.[nodeId] !== undefined) say(`\`${nodeId}\` has no routes.`);
    given[key] = {
      ...(edits.outputs && Object.hasOwn(edits.outputs, nodeId) && { value: edits.outputs[nodeId] as Json }),
      ...(step?.routes && way !== undefined && { route: way }),
    };
  }
  if (findings.length > 0) throw invalid(findings);
  return given;
}

function keyOf(places: Places, at: Position, nodeId: string, say: (message: string) => void): string | undefined {
  const place = places.get(nodeId);
  if (!place || place.undoes) return void say(`There is no node \`${nodeId}\` in the graph.`);
  const isAround = place.owners.every(({ id }, depth) => at.place.owners[depth]?.id === id);
  if (!isAround) return void say(`\`${nodeId}\` stands in a loop that the fork does not begin in.`);
  if (place.owners.length > 0 && !at.numbers) return void say(`\`${nodeId}\` stands in a loop: say which \`iteration\` is meant.`);
  const iteration = nameOf(at.numbers ?? [], place.owners.length);
  if (runsAgain(at, place, iteration)) return void say(`\`${nodeId}\` runs again, so what it comes to cannot be given.`);
  return givenKey(nodeId, iteration);
}

/** The graph with other inputs of one node, as an editor would save it. */
export function withNodeInputs(graph: Json, nodeId: string, inputs: JsonObject): Json {
  const own = isObject(graph) && isObject(graph["flow_data"]) ? (graph["flow_data"] as JsonObject) : (graph as JsonObject);
  const nodes = (Array.isArray(own["nodes"]) ? own["nodes"] : []).map((node) => {
    if (!isObject(node) || node["id"] !== nodeId) return node;
    const data = isObject(node["data"]) ? node["data"] : {};
    const { config, ...rest } = data as JsonObject;
    const before = { ...(isObject(config) && config), ...(isObject(data["inputs"]) && data["inputs"]) };
    return { ...node, data: { ...rest, inputs: { ...before, ...inputs } } } as Json;
  });
  return { ...own, nodes };
}

function invalid(findings: readonly Finding[]): PerdureError {
  return new PerdureError("validation.failed", "The run cannot be forked like this.", { findings });
}
