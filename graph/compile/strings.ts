import { EVERY_NAME, SCOPE_ROOTS } from "../evaluate/scope.ts";
import { checkCel } from "../expression/check.ts";
import { checkJavaScript } from "../expression/javascript.ts";
import { checkJsonata } from "../expression/jsonata.ts";
import type { Compiled } from "../plan.ts";
import type { Names } from "./names.ts";

/** Nodes that one JSONata expression may read by way of "everything" (`$$` by itself, `*` …): they all go to the activity. */
export const MAX_EVERYTHING = 200;

/** A CEL decision, its names looked up. */
export function compileCel(source: string, names: Names): Compiled {
  const checked = checkCel(source);
  if (!checked.ok) {
    names.problem("expression.syntax", checked.message, checked.hint ?? dashHint(source, names));
    return { k: "lit", v: source };
  }
  for (const root of checked.roots) names.resolve([root], root, false);
  return { k: "cel", source, roots: checked.roots };
}

/** An id with a dash reads as a subtraction. */
function dashHint(source: string, names: Names): string | undefined {
  const id = [...source.matchAll(/(?<![\w-])[A-Za-z_][\w-]*/g)].map((match) => match[0]).find((word) => word.includes("-") && names.isNode(word));
  return id === undefined ? undefined : `\`${id}\` is a subtraction here; give the node an id of letters, digits and \`_\`.`;
}

/** Code stays text. */
export function checkCode(source: string, names: Names): void {
  const checked = checkJavaScript(source);
  if (!checked.ok) names.problem("expression.syntax", checked.message, checked.hint);
}

/**
 * A JSONata expression stays text; what it reads is handed to the activity.
 * @param own - Names that stand for something else than the scope's, in this expression only.
 * @returns the other names.
 */
export function scopeOfJsonata(source: string, names: Names, own: readonly string[]): string[] {
  const checked = checkJsonata(source);
  if (!checked.ok) {
    names.problem("expression.syntax", checked.message, checked.hint);
    return [];
  }
  const roots = new Set<string>();
  for (const name of checked.roots) if (!own.includes(name) && names.resolve([name], name, false)) roots.add(name);
  if (checked.everything && names.ancestors().length > MAX_EVERYTHING) {
    names.problem(
      "limit.exceeded",
      `The expression may read all that came before, and that is more than ${MAX_EVERYTHING} nodes.`,
      "Name the nodes it reads instead of `$$`, `*` or `$eval`.",
    );
    return [];
  }
  const before = checked.everything ? names.ancestors() : checked.mentions.filter((name) => !own.includes(name) && names.isNode(name));
  for (const id of before) {
    const record = names.record(id);
    if (record && names.readsNode(record)) roots.add(id);
  }
  if (checked.everything) for (const name of [...SCOPE_ROOTS, EVERY_NAME]) roots.add(name);
  return [...roots];
}
