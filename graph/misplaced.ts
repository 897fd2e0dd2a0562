import { isObject, ownProperty } from "#core";
import type { NodeType } from "./catalogue.ts";
import type { Findings } from "./findings.ts";
import { type GivenInputs, inputNamed, isOpen } from "./normalise.ts";
import type { GraphNode } from "./parse.ts";

/** Keys of a node that are its own or the drawing's, whatever inputs its type declares. */
const NODE_KEYS: ReadonlySet<string> = new Set(
  (
    "id type name label data inputs parameters config settings position positionAbsolute width height measured style className hidden selected " +
    "selectable dragging draggable connectable deletable parentId parentNode extent zIndex"
  ).split(" "),
);

/** Objects where other systems keep what is read from `data.inputs` here, by their place in the node. */
function places(written: Record<string, unknown>, type: NodeType): [string, Record<string, unknown>][] {
  const data = ownProperty(written, "data");
  const found: [string, unknown][] = [
    ["inputs", ownProperty(written, "inputs")],
    ["parameters", ownProperty(written, "parameters")],
    ["data.parameters", inputNamed(type, "parameters") === undefined ? ownProperty(data, "parameters") : undefined],
  ];
  return found.filter((place): place is [string, Record<string, unknown>] => isObject(place[1]) && Object.keys(place[1]).length > 0);
}

/** Where a node holds inputs that are not read from there: place in the node by declared name, the first place of each. */
export function misplacedInputs(node: GraphNode, type: NodeType): Map<string, string> {
  const found = new Map<string, string>();
  const note = (name: string | undefined, place: string): void => {
    if (name !== undefined && !found.has(name)) found.set(name, place);
  };
  const open = isOpen(type);
  for (const [place, inputs] of places(node.written, type)) {
    for (const key of Object.keys(inputs)) note(inputNamed(type, key) ?? (open ? key : undefined), `${place}.${key}`);
  }
  for (const key of Object.keys(node.written)) if (!NODE_KEYS.has(key)) note(inputNamed(type, key), key);
  return found;
}

/** Warns of inputs that stand where none are read, unless the node has them in the right place as well. */
export function warnOfMisplaced(node: GraphNode, type: NodeType, given: GivenInputs, findings: Findings): void {
  const found = misplacedInputs(node, type);
  for (const [name, place] of found) {
    if (given.has(name)) continue;
    findings.warn("input.misplaced", `\`${place}\` of node \`${node.id}\` is not read: the input \`${name}\` belongs in \`data.inputs.${name}\`.`, {
      node_id: node.id,
      path: `nodes.${node.index}.${place}`,
      hint: `Move it to \`data.inputs.${name}\`.`,
    });
  }
  for (const [place] of places(node.written, type)) {
    if ([...found.values()].some((at) => at.startsWith(`${place}.`))) continue;
    findings.warn("input.misplaced", `\`${place}\` of node \`${node.id}\` is not read: the inputs of a node belong in \`data.inputs\`.`, {
      node_id: node.id,
      path: `nodes.${node.index}.${place}`,
    });
  }
}
