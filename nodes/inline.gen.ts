/* Written by `npm run gen`. Do not edit. */
import type { InlineNode } from "./define.ts";
import setNode from "./data/set.ts";
import templateNode from "./data/template.ts";
import conditionNode from "./logic/condition.ts";
import endNode from "./logic/end.ts";
import mergeNode from "./logic/merge.ts";
import switchNode from "./logic/switch.ts";

/** What workflow code may run itself, by canonical type. */
export const inlineNodes: Readonly<Record<string, InlineNode>> = {
  "Set": setNode,
  "Template": templateNode,
  "Condition": conditionNode,
  "End": endNode,
  "Merge": mergeNode,
  "Switch": switchNode,
};
