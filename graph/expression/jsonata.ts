import jsonata from "jsonata";

/** Characters of one JSONata expression. */
export const MAX_JSONATA_SOURCE = 100_000;

export type CheckedJsonata =
  | {
      ok: true;
      /** Names at the start of a path over the scope itself. */
      roots: string[];
      /** Every name and text in it: what a look-up by name might mean. */
      mentions: string[];
      /** It may read any name at all (`$$`, `*`, `**`, `$eval`, `$` by itself). */
      everything: boolean;
    }
  | { ok: false; message: string; hint?: string };

interface Reading {
  roots: Set<string>;
  mentions: Set<string>;
  everything: boolean;
}

/** Parses a JSONata expression, never runs it, and finds the names it may read. Never throws. */
export function checkJsonata(source: string): CheckedJsonata {
  if (source.trim() === "") return { ok: false, message: "The expression is empty." };
  if (source.length > MAX_JSONATA_SOURCE) return { ok: false, message: `A JSONata expression has at most ${MAX_JSONATA_SOURCE} characters.` };
  try {
    const reading: Reading = { roots: new Set(), mentions: new Set(), everything: false };
    visit(jsonata(source).ast(), true, reading);
    return { ok: true, roots: [...reading.roots], mentions: [...reading.mentions], everything: reading.everything };
  } catch (error) {
    const reason = error instanceof RangeError ? "it is nested too deeply" : reasonOf(error);
    return {
      ok: false,
      message: `The JSONata expression does not parse: ${reason}.`,
      ...(source.includes("{{") && { hint: "JSONata reads names as they are: `http_1.body`, without `{{` and `}}`." }),
    };
  }
}

function reasonOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("message" in error)) return "unknown reason";
  const position = "position" in error && typeof error.position === "number" ? ` (at character ${error.position})` : "";
  return `${String(error.message).split("\n")[0]}${position}`.replace(/\.$/, "");
}

/** @param atRoot - Whether `$` is the whole scope here. */
function visit(node: unknown, atRoot: boolean, reading: Reading): void {
  if (Array.isArray(node)) {
    for (const item of node) visit(item, atRoot, reading);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  const { type, value } = node as { type?: string; value?: unknown };
  switch (type) {
    case "name":
      if (typeof value === "string") {
        reading.mentions.add(value);
        if (atRoot) reading.roots.add(value);
      }
      break;
    case "string":
      if (typeof value === "string") reading.mentions.add(value);
      break;
    case "variable":
      if (value === "$" || value === "eval" || (value === "" && atRoot)) reading.everything = true;
      break;
    case "wildcard":
    case "descendant":
    case "parent":
      if (atRoot || type !== "wildcard") reading.everything = true;
      break;
    case "path":
      return visitPath(node as { steps?: unknown[]; group?: unknown }, atRoot, reading);
    default:
      break;
  }
  for (const [key, inner] of Object.entries(node)) {
    if (key !== "value" && key !== "type") visit(inner, atRoot && key !== "predicate" && key !== "stages" && key !== "group", reading);
  }
}

function visitPath(path: { steps?: unknown[] }, atRoot: boolean, reading: Reading): void {
  const { steps = [], ...rest } = path;
  const [first, ...later] = steps;
  const startsAtContext = isVariable(first, "") && later.length > 0;
  if (isVariable(first, "$") && isName(later[0])) {
    reading.roots.add(later[0].value);
    return visitPath({ ...rest, steps: [{ type: "value" }, ...later] }, false, reading);
  }
  visit(startsAtContext ? later[0] : first, atRoot, reading);
  for (const step of startsAtContext ? later.slice(1) : later) visit(step, false, reading);
  for (const [key, inner] of Object.entries(rest)) if (key !== "type") visit(inner, false, reading);
}

function isVariable(step: unknown, name: string): boolean {
  return (
    typeof step === "object" && step !== null && "type" in step && step.type === "variable" && "value" in step && step.value === name && !("predicate" in step)
  );
}

function isName(step: unknown): step is { value: string } {
  return typeof step === "object" && step !== null && "type" in step && step.type === "name" && "value" in step && typeof step.value === "string";
}
