import type { Json } from "#core";
import type { AST } from "@handlebars/parser";
import { HELPERS } from "../evaluate/helpers.ts";
import type { Nearest } from "../nearest.ts";
import type { Compiled, Ref, TemplateExpression, TemplateNode } from "../plan.ts";
import { MAX_TEMPLATE_DEPTH, parseSyntax } from "./syntax.ts";

/** What a name outside of any block means; the compiler's knowledge of the graph. */
export interface TemplateNames {
  /** @param inBlock - Whether the name may also be a field of a block's `this`, in which case nothing is reported. */
  resolve(parts: string[], source: string, inBlock: boolean): Ref | undefined;
  isNode(id: string): boolean;
  /** Notes a secret; reports it where none may stand. */
  secret(name: string | undefined, source: string): void;
  problem(code: string, message: string, hint?: string): void;
  /** How many problems there have been. */
  readonly problems: number;
  readonly nearest: Nearest;
}

/** Reads a string input. What is wrong goes to `names`, and the text stays as it was written. */
export function compileTemplate(template: string, names: TemplateNames): Compiled {
  if (!template.includes("{{")) return { k: "lit", v: template };
  const parsed = parseSyntax(template);
  if ("problem" in parsed) {
    names.problem("template.syntax", parsed.problem.message, parsed.problem.hint);
    return { k: "lit", v: template };
  }
  const before = names.problems;
  const compiled = simplify(new TemplateCompiler(names).body(parsed.program.body, []));
  return names.problems > before ? { k: "lit", v: template } : compiled;
}

function simplify(body: TemplateNode[]): Compiled {
  const [only] = body;
  if (only === undefined) return { k: "lit", v: "" };
  if (body.length > 1) return { k: "text", body };
  switch (only.t) {
    case "text":
      return { k: "lit", v: only.text };
    case "secret":
      return { k: "secret", name: only.name };
    case "value":
      return only.expr.e === "ref" ? { k: "ref", ref: only.expr.ref } : only.expr.e === "lit" ? { k: "lit", v: only.expr.v } : { k: "expr", expr: only.expr };
    case "block":
      return { k: "text", body };
  }
}

/** A block that gives its inside a new `this`, and names of its own. */
interface Frame {
  each: boolean;
  locals: readonly string[];
}

const BLOCKS: ReadonlySet<string> = new Set(["if", "unless", "each", "with"]);
const NOTHING: TemplateExpression = { e: "lit", v: null };

class TemplateCompiler {
  readonly #names: TemplateNames;
  #depth = 0;

  constructor(names: TemplateNames) {
    this.#names = names;
  }

  body(statements: AST.Statement[], frames: readonly Frame[]): TemplateNode[] {
    const nodes: TemplateNode[] = [];
    for (const statement of statements) {
      const node = this.#statement(statement, frames);
      const last = nodes.at(-1);
      if (node?.t === "text" && last?.t === "text") last.text += node.text;
      else if (node !== undefined) nodes.push(node);
    }
    return nodes;
  }

  #statement(statement: AST.Statement, frames: readonly Frame[]): TemplateNode | undefined {
    switch (statement.type) {
      case "ContentStatement": {
        const text = (statement as AST.ContentStatement).value;
        return text === "" ? undefined : { t: "text", text };
      }
      case "MustacheStatement":
        return this.#mustache(statement as AST.MustacheStatement, frames);
      case "BlockStatement":
        return this.#nested(() => this.#block(statement as AST.BlockStatement, frames));
      case "CommentStatement":
        return undefined;
      default:
        this.#names.problem("template.syntax", "Partials (`{{> … }}`) and decorators (`{{* … }}`) cannot be used in templates.");
        return undefined;
    }
  }

  #mustache(statement: AST.MustacheStatement, frames: readonly Frame[]): TemplateNode | undefined {
    const path = statement.path;
    if (isPath(path) && statement.params.length === 0 && !hasHash(statement.hash) && !path.data && this.#isSecret(path, frames)) {
      const [, name, ...rest] = path.parts;
      const plain = typeof name === "string" && rest.length === 0 ? name : undefined;
      this.#names.secret(plain, path.original);
      return plain === undefined ? undefined : { t: "secret", name: plain };
    }
    const expr =
      statement.params.length > 0 || hasHash(statement.hash) ? this.#call(path, statement.params, statement.hash, frames) : this.#mustachePath(path, frames);
    return { t: "value", expr };
  }

  /** `{{1}}` is the node `1` where there is one; another literal is itself. */
  #mustachePath(path: AST.Expression, frames: readonly Frame[]): TemplateExpression {
    if (path.type !== "PathExpression" && path.type !== "SubExpression") {
      const text = String((path as AST.StringLiteral).original);
      if (this.#names.isNode(text)) return this.#outer([text], text, false);
    }
    return this.#expression(path, frames);
  }

  #block(block: AST.BlockStatement, frames: readonly Frame[]): TemplateNode | undefined {
    const helper = isPath(block.path) ? String(block.path.original) : "";
    // An inverted section `{{^x}}…{{/x}}` arrives without a program.
    const program: AST.Program | undefined = block.program;
    const inverse: AST.Program | undefined = block.inverse;
    if (!BLOCKS.has(helper)) {
      const hint = this.#names.nearest.hint(helper, BLOCKS) ?? "Blocks are #if, #unless, #each and #with.";
      this.#names.problem("template.syntax", `Templates have no block \`#${helper}\`.`, hint);
    } else if (block.params.length !== 1 || hasHash(block.hash)) {
      this.#names.problem("template.syntax", `\`#${helper}\` takes exactly one value.`);
    }
    const each = helper === "each";
    const scoped = each || helper === "with";
    const locals = program?.blockParams ?? [];
    if (locals.length > (each ? 2 : scoped ? 1 : 0))
      this.#names.problem("template.syntax", `\`#${helper}\` gives ${each ? "two names" : scoped ? "one name" : "no names"} at most.`);
    const params = block.params.map((param: AST.Expression) => this.#expression(param, frames));
    const body = this.body(program?.body ?? [], scoped ? [...frames, { each, locals }] : frames);
    return { t: "block", helper, params, hash: [], locals, body, inverse: this.body(inverse?.body ?? [], frames) };
  }

  #call(path: AST.Expression, params: AST.Expression[], hash: AST.Hash | undefined, frames: readonly Frame[]): TemplateExpression {
    const call = this.#nested((): TemplateExpression => {
      const name = isPath(path) ? String(path.original) : "";
      const helper = HELPERS.get(name);
      if (!helper) {
        const hint = this.#names.nearest.hint(name, HELPERS.keys()) ?? `Helpers are ${[...HELPERS.keys()].join(", ")}.`;
        this.#names.problem("template.syntax", `Templates have no helper \`${name}\`.`, hint);
      } else if (hasHash(hash)) {
        this.#names.problem("template.syntax", `\`${name}\` takes no named arguments.`);
      } else if (params.length < helper.min || params.length > helper.max) {
        const wanted = helper.min === helper.max ? String(helper.min) : `${helper.min} to ${helper.max}`;
        this.#names.problem("template.syntax", `\`${name}\` takes ${wanted} values, not ${params.length}.`);
      }
      return { e: "call", helper: name, params: params.map((param) => this.#expression(param, frames)), hash: [] };
    });
    return call ?? NOTHING;
  }

  #expression(expression: AST.Expression, frames: readonly Frame[]): TemplateExpression {
    switch (expression.type) {
      case "PathExpression":
        return this.#path(expression as AST.PathExpression, frames);
      case "SubExpression": {
        const call = expression as AST.SubExpression;
        return this.#call(call.path, call.params, call.hash, frames);
      }
      case "StringLiteral":
      case "NumberLiteral":
      case "BooleanLiteral":
        return { e: "lit", v: (expression as AST.StringLiteral).value as Json };
      default:
        return NOTHING;
    }
  }

  #path(path: AST.PathExpression, frames: readonly Frame[]): TemplateExpression {
    const parts: string[] = [];
    for (const part of path.parts) {
      if (typeof part !== "string") {
        this.#names.problem("template.syntax", "A path cannot begin with a call; use the value of a helper as it is.");
        return NOTHING;
      }
      parts.push(part);
    }
    const source = String(path.original);
    if (path.data) return this.#data(path, parts, frames);
    if (path.depth > frames.length) {
      this.#names.problem("template.syntax", `\`${source}\` goes further out than there are blocks around it.`);
      return NOTHING;
    }
    if (path.depth > 0 || /^(this$|this[./]|\.$|\.\/)/.test(source)) {
      return path.depth < frames.length ? local("this", path.depth, parts, source) : this.#outer(parts.length === 0 ? ["input"] : parts, source, false);
    }
    if (this.#isSecret(path, frames)) {
      this.#names.problem("secret.in_expression", `The secret \`${source}\` can only stand by itself in a text, not within a helper or block.`);
      return NOTHING;
    }
    return this.#name(parts, source, frames);
  }

  #name(parts: string[], source: string, frames: readonly Frame[]): TemplateExpression {
    const [head = "", ...rest] = parts;
    for (let up = 0; up < frames.length; up++) {
      if (frames[frames.length - 1 - up]?.locals.includes(head)) return local(head, up, rest, source);
    }
    if (frames.length === 0) return this.#outer(parts, source, false);
    const own: Ref = { root: "local", id: "this", up: 0, path: parts, source };
    const outer = this.#names.resolve(parts, source, true);
    return outer === undefined ? { e: "ref", ref: own } : { e: "either", local: own, outer };
  }

  #data(path: AST.PathExpression, parts: string[], frames: readonly Frame[]): TemplateExpression {
    const source = String(path.original);
    const [head = "", ...rest] = parts;
    if (head === "root" && rest.length > 0) return this.#outer(rest, source, false);
    if (!["index", "key", "first", "last"].includes(head)) {
      this.#names.problem("template.syntax", `Templates have no \`@${head}\`.`, "There are @index, @key, @first, @last and @root.");
      return NOTHING;
    }
    for (let up = path.depth; up < frames.length; up++) {
      if (frames[frames.length - 1 - up]?.each) return local(`@${head}`, up, rest, source);
    }
    this.#names.problem("template.syntax", `\`${source}\` is only there inside \`#each\`.`);
    return NOTHING;
  }

  #outer(parts: string[], source: string, inBlock: boolean): TemplateExpression {
    if (parts[0] === "secrets") {
      this.#names.problem("secret.in_expression", `The secret \`${source}\` can only stand by itself in a text, as \`{{secrets.NAME}}\`.`);
      return NOTHING;
    }
    const ref = this.#names.resolve(parts, source, inBlock);
    return ref === undefined ? NOTHING : { e: "ref", ref };
  }

  #isSecret(path: AST.PathExpression, frames: readonly Frame[]): boolean {
    return path.parts[0] === "secrets" && path.depth === 0 && !frames.some((frame) => frame.locals.includes("secrets"));
  }

  #nested<Result>(compile: () => Result): Result | undefined {
    if (++this.#depth > MAX_TEMPLATE_DEPTH) {
      if (this.#depth === MAX_TEMPLATE_DEPTH + 1)
        this.#names.problem("template.syntax", `Blocks and calls of a template stand at most ${MAX_TEMPLATE_DEPTH} deep in one another.`);
      this.#depth--;
      return undefined;
    }
    const result = compile();
    this.#depth--;
    return result;
  }
}

function local(id: string, up: number, path: string[], source: string): TemplateExpression {
  return { e: "ref", ref: { root: "local", id, up, path, source } };
}

function isPath(expression: AST.Expression): expression is AST.PathExpression {
  return expression.type === "PathExpression";
}

function hasHash(hash: AST.Hash | undefined): boolean {
  return hash !== undefined && hash.pairs.length > 0;
}
