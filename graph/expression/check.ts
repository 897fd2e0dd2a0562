import { celNames, checkPattern, MAX_CEL_NESTING, MAX_CEL_SOURCE } from "./environment.ts";
import { describe } from "./cel.ts";
import { parseProgram, type Program } from "./program.ts";

export type CheckedCel = { ok: true; roots: string[] } | { ok: false; message: string; hint?: string };

/** Parses and type-checks a decision, and finds the names it reads. Never throws. */
export function checkCel(source: string): CheckedCel {
  if (source.includes("{{")) {
    return wrong("An expression is not a template.", "Write `http_1.status == 200` without `{{` and `}}`.");
  }
  if (source.trim() === "") return wrong("The expression is empty.");
  if (source.length > MAX_CEL_SOURCE) return wrong(`An expression has at most ${MAX_CEL_SOURCE} characters.`);
  let program: Program;
  try {
    program = parseProgram(source, new Set(), false);
  } catch (error) {
    return wrong(`The expression does not parse: ${describe(error)}.`, hintFor(source));
  }
  if (program.nesting > MAX_CEL_NESTING) return wrong(`\`map\`, \`filter\`, \`all\` and \`exists\` stand at most ${MAX_CEL_NESTING} deep in one another.`);
  const [unstable] = program.unstable;
  if (unstable !== undefined)
    return wrong(`\`${unstable}\` called so gives different answers on different machines.`, "Times are read in UTC: `getHours()`, `getFullYear()` …");
  for (const pattern of program.patterns) {
    const reason = patternProblem(pattern);
    if (reason !== undefined) return wrong(`The regular expression \`${pattern}\` is malformed: ${reason}.`);
  }
  try {
    const checked = program.parsed.check();
    if (!checked.valid) return wrong(`The expression does not type-check: ${describe(checked.error)}.`, hintFor(source));
  } catch (error) {
    return wrong(`The expression does not type-check: ${describe(error)}.`, hintFor(source));
  }
  return { ok: true, roots: program.roots };
}

function patternProblem(pattern: string): string | undefined {
  try {
    checkPattern(pattern);
    return undefined;
  } catch (error) {
    return describe(error);
  }
}

function hintFor(source: string): string | undefined {
  if (/[^=!<>]=[^=]/.test(source)) return "Equality is written `==`.";
  if (/===|!==/.test(source)) return "Equality is written `==` and `!=`.";
  if (/\b(and|or|not)\b/.test(source)) return "Logic is written `&&`, `||` and `!`.";
  const name = [...source.matchAll(/(?<![\w.])[a-z_]\w*(?![\w(])/gi)].map((match) => match[0]).find((word) => celNames().has(word));
  return name === undefined ? undefined : `\`${name}\` is a name of the language itself; an input of that name is read as \`inputs.${name}\`.`;
}

function wrong(message: string, hint?: string): CheckedCel {
  return { ok: false, message, ...(hint !== undefined && { hint }) };
}
