import { parse } from "acorn";

/** What the code of a node may read by name: the parameters of the function whose body it is. */
const PARAMETERS = "input,inputs,variables";
/** The code begins on a line of its own. */
const BEFORE = `(async function (${PARAMETERS}) {\n`;
const AFTER = "\n})";
/** What the engine of the sandbox reads; a later edition would let through what it refuses. */
const EDITION = 2025;

export type CheckedJavaScript = { ok: true } | { ok: false; message: string; hint?: string };

/** Parses the body of a function, never runs it. What is nested too deeply for the parser passes: the engine may still take it. Never throws. */
export function checkJavaScript(source: string): CheckedJavaScript {
  try {
    const { body } = parse(`${BEFORE}${source}${AFTER}`, { ecmaVersion: EDITION, sourceType: "script" });
    return body.length === 1 ? { ok: true } : failed("it closes a brace that it did not open", source);
  } catch (error) {
    if (!isSyntaxError(error) || error.message.startsWith("Not enough stack space")) return { ok: true };
    const end = source.trimEnd();
    if (error.pos - BEFORE.length >= source.length) return failed(`it ends too early (line ${lineAt(end, end.length)})`, source);
    const reason = error.message.replace(/ \(\d+:\d+\)$/, "");
    return failed(`${reason.charAt(0).toLowerCase()}${reason.slice(1)} (line ${lineAt(source, error.pos - BEFORE.length)})`, source);
  }
}

function failed(reason: string, source: string): CheckedJavaScript {
  return {
    ok: false,
    message: `The code does not parse: ${reason}.`,
    ...(source.includes("{{") && { hint: "Templates in code are not read; it has `input`, `inputs` and `variables`." }),
  };
}

function isSyntaxError(error: unknown): error is SyntaxError & { pos: number } {
  return error instanceof SyntaxError && "pos" in error && typeof error.pos === "number";
}

/** Lines count from 1, as the engine counts them. */
function lineAt(source: string, position: number): number {
  return source.slice(0, position).split("\n").length;
}
