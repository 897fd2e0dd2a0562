import { type AST, parse } from "@handlebars/parser";
import { readablePaths } from "./paths.ts";

/** Characters of one template. */
export const MAX_TEMPLATE_LENGTH = 512 * 1024;
/** Blocks, or calls, within one another. The grammar's own cost grows faster than their number. */
export const MAX_TEMPLATE_DEPTH = 100;

export interface SyntaxProblem {
  message: string;
  hint?: string;
}

/** Handlebars' own grammar, whitespace control included. Never throws. */
export function parseSyntax(template: string): { program: AST.Program } | { problem: SyntaxProblem } {
  if (template.length > MAX_TEMPLATE_LENGTH) return { problem: { message: `A template has at most ${MAX_TEMPLATE_LENGTH} characters.` } };
  if (template.includes("\0")) return { problem: { message: "A template cannot hold the character NUL." } };
  if (deepest(template) > MAX_TEMPLATE_DEPTH)
    return { problem: { message: `Blocks and calls of a template stand at most ${MAX_TEMPLATE_DEPTH} deep in one another.` } };
  try {
    return { program: parse(readablePaths(template)) };
  } catch (error) {
    return {
      problem:
        error instanceof RangeError ? { message: "The template is nested too deeply." } : explain(error instanceof Error ? error.message : String(error)),
    };
  }
}

/** An upper bound: what stands in comments and strings counts too. */
function deepest(template: string): number {
  let most = 0;
  let blocks = 0;
  let calls = 0;
  let inside = false;
  for (const [found] of template.matchAll(/\{\{~?[#^/]?|[()]|\}\}/g)) {
    if (found === "(") calls += inside ? 1 : 0;
    else if (found === ")") calls -= inside ? 1 : 0;
    else {
      inside = found !== "}}";
      calls = 0;
      if (found.endsWith("/")) blocks--;
      else if (/[#^]$/.test(found)) blocks++;
    }
    most = Math.max(most, blocks, calls);
  }
  return most;
}

const TOKENS: Record<string, string> = {
  EOF: "the end of the text",
  INVALID: "a character that cannot stand there",
  CLOSE: "`}}`",
  CLOSE_UNESCAPED: "`}}}`",
  CLOSE_BLOCK_PARAMS: "`|`",
  OPEN_ENDBLOCK: "`{{/`",
  OPEN: "`{{`",
  INVERSE: "`{{else}}`",
  OPEN_SEXPR: "`(`",
  CLOSE_SEXPR: "`)`",
  SEP: "`.`",
  EQUALS: "`=`",
};

function explain(message: string): SyntaxProblem {
  const parts = /^(?:Parse|Lexical) error on line (\d+):?[^\n]*\n([^\n]*)\n(?:[\s\S]*got '(\w+)')?/.exec(message);
  if (!parts) return { message: `The template does not parse: ${(message.split("\n")[0] ?? "").replace(/ - (\d+):\d+$/, " (line $1)")}.` };
  const [, line = "1", near = "", token] = parts;
  const found = token === undefined ? "something unexpected" : (TOKENS[token] ?? `\`${token}\``);
  const hint = hintFor(token);
  return { message: `The template does not parse: line ${line}, near \`${near.slice(-60)}\`: found ${found}.`, ...(hint !== undefined && { hint }) };
}

function hintFor(token: string | undefined): string | undefined {
  if (token === "CLOSE_BLOCK_PARAMS") return "There are no filters; write `{{upper name}}` for `{{name | upper}}`.";
  if (token === "EOF") return "A block is not closed: `{{#if x}}` needs `{{/if}}`.";
  if (token === "INVALID") return "`{{` begins an expression such as `{{node.field}}` and ends with `}}`; write `\\{{` for the characters themselves.";
  return undefined;
}
