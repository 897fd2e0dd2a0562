import { type Json, PerdureError } from "#core";
import type { TemplateExpression, TemplateNode } from "../plan.ts";
import { Frame } from "./frame.ts";
import { type Argument, HELPERS, isTruthy, toText } from "./helpers.ts";
import { missing, read } from "./read.ts";
import { MISSING, type Scope } from "./scope.ts";
import { Work } from "./work.ts";

/** Characters one template may write. */
export const MAX_TEMPLATE_OUTPUT = 8 * 1024 * 1024;
/** Pieces one template may write: nested `#each` cannot hold up a workflow. */
export const MAX_TEMPLATE_PIECES = 500_000;

/** What the helpers of one template may go through, however often they are called; counted by `Work`. */
export const MAX_TEMPLATE_WORK = 8_000_000;
/** Helpers that take what they are given as it is. */
const WEIGHTLESS: ReadonlySet<string> = new Set(["default", "length", "and", "or", "not"]);

function newWork(): Work {
  return new Work(MAX_TEMPLATE_WORK, () => new PerdureError("output.too_large", `The helpers of a template go through more than ${MAX_TEMPLATE_WORK} values.`));
}

/** Text and the places of secrets in it, in order. */
export type TextPart = string | { secret: string };

class Writer {
  readonly parts: TextPart[] = [];
  readonly work = newWork();
  #text = "";
  #length = 0;
  #pieces = 0;

  write(text: string): void {
    this.#count(text.length);
    this.#text += text;
  }

  secret(name: string): void {
    this.#count(0);
    this.#flush();
    this.parts.push({ secret: name });
  }

  visit(): void {
    this.#count(0);
  }

  finish(): TextPart[] {
    this.#flush();
    return this.parts;
  }

  #flush(): void {
    if (this.#text !== "") this.parts.push(this.#text);
    this.#text = "";
  }

  #count(length: number): void {
    this.#length += length;
    if (this.#length > MAX_TEMPLATE_OUTPUT) throw new PerdureError("output.too_large", `A template writes more than ${MAX_TEMPLATE_OUTPUT} characters.`);
    if (++this.#pieces > MAX_TEMPLATE_PIECES) throw new PerdureError("output.too_large", `A template writes more than ${MAX_TEMPLATE_PIECES} pieces.`);
  }
}

/** @returns the text in pieces; without secrets there is at most one. */
export function render(body: readonly TemplateNode[], scope: Scope): TextPart[] {
  const writer = new Writer();
  renderInto(writer, body, scope, undefined);
  return writer.finish();
}

function renderInto(writer: Writer, body: readonly TemplateNode[], scope: Scope, frame: Frame | undefined): void {
  for (const node of body) {
    switch (node.t) {
      case "text":
        writer.write(node.text);
        break;
      case "value":
        writer.write(toText(evaluateExpression(node.expr, scope, frame, writer.work)));
        break;
      case "secret":
        writer.secret(node.name);
        break;
      case "block":
        renderBlock(writer, node, scope, frame);
    }
  }
}

function renderBlock(writer: Writer, block: TemplateNode & { t: "block" }, scope: Scope, frame: Frame | undefined): void {
  const subject = block.params[0];
  if (subject === undefined) return;
  switch (block.helper) {
    case "if":
    case "unless": {
      const holds = isTruthy(argument(subject, scope, frame, true, writer.work));
      return renderInto(writer, holds === (block.helper === "if") ? block.body : block.inverse, scope, frame);
    }
    case "with": {
      const value = evaluateExpression(subject, scope, frame, writer.work);
      if (!isTruthy(value)) return renderInto(writer, block.inverse, scope, frame);
      return renderInto(writer, block.body, scope, new Frame(frame, named(block.locals, value)));
    }
    case "each":
      return renderEach(writer, block, evaluateExpression(subject, scope, frame, writer.work), scope, frame);
  }
}

function renderEach(writer: Writer, block: TemplateNode & { t: "block" }, subject: Json, scope: Scope, frame: Frame | undefined): void {
  const entries: readonly (readonly [string | number, Json])[] = Array.isArray(subject)
    ? subject.map((value, index) => [index, value] as const)
    : typeof subject === "object" && subject !== null
      ? Object.entries(subject)
      : [];
  if (entries.length === 0) return renderInto(writer, block.inverse, scope, frame);
  for (const [index, [key, value]] of entries.entries()) {
    writer.visit();
    const names = named(block.locals, value, key);
    names
      .set("@index", index)
      .set("@key", key)
      .set("@first", index === 0)
      .set("@last", index === entries.length - 1);
    renderInto(writer, block.body, scope, new Frame(frame, names));
  }
}

function named(locals: readonly string[], value: Json, key?: string | number): Map<string, Json> {
  const names = new Map<string, Json>([["this", value]]);
  if (locals[0] !== undefined) names.set(locals[0], value);
  if (locals[1] !== undefined && key !== undefined) names.set(locals[1], key);
  return names;
}

/** @throws PerdureError `template.missing`, `expression.failed`. */
export function evaluateExpression(expression: TemplateExpression, scope: Scope, frame: Frame | undefined, work: Work = newWork()): Json {
  return argument(expression, scope, frame, false, work) ?? null;
}

/** `undefined` for what is not there, which only a lenient caller sees. */
function argument(expression: TemplateExpression, scope: Scope, frame: Frame | undefined, lenient: boolean, work: Work): Argument {
  switch (expression.e) {
    case "lit":
      return expression.v;
    case "ref": {
      const value = read(expression.ref, scope, frame);
      if (value !== MISSING) return value;
      if (lenient) return undefined;
      throw missing(expression.ref, scope, frame);
    }
    case "either": {
      const near = read({ ...expression.local, path: expression.local.path.slice(0, 1) }, scope, frame);
      const ref = near === MISSING ? expression.outer : expression.local;
      const value = read(ref, scope, frame);
      if (value !== MISSING) return value;
      if (lenient) return undefined;
      throw missing(near === MISSING && expression.outer.root === "bare" ? expression.local : ref, scope, frame);
    }
    case "call": {
      const helper = HELPERS.get(expression.helper);
      if (!helper) throw new PerdureError("expression.failed", `Templates have no helper \`${expression.helper}\`.`);
      const allow = lenient || helper.lenient === true;
      const args = expression.params.map((param) => argument(param, scope, frame, allow, work));
      weigh(expression.helper, args, work);
      return helper.run(args);
    }
  }
}

function weigh(helper: string, args: readonly Argument[], work: Work): void {
  if (WEIGHTLESS.has(helper)) return;
  for (const each of args) work.weigh(each);
  const [list, separator] = args;
  // What stands between the items is written as often as there are some.
  if (helper === "join" && Array.isArray(list) && typeof separator === "string") work.spend((list.length * separator.length) / 16);
}
