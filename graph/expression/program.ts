import type { ASTNode, ParseResult } from "@marcbachmann/cel-js";
import { celNames, environment, LIMITED, REPLACED_FUNCTIONS, REPLACED_METHODS, UNSTABLE_METHODS, type Weigher } from "./environment.ts";

/** What the syntax tree of the pinned library also offers: a node may be told to stand for another. Covered by cel.test.ts. */
interface LibraryNode {
  readonly meta: { alternate?: { op: string; args: { iterable: ASTNode } } };
  setMeta(key: "alternate", value: ASTNode): void;
}
const asLibraryNode = (node: ASTNode): LibraryNode => node as unknown as LibraryNode;

/** Operators that go through both of their values, or make a new one of them. */
const WEIGHED_OPERATORS: ReadonlySet<string> = new Set(["+", "==", "!=", "<", "<=", ">", ">="]);
/** Methods that go through what they are called on. */
const WEIGHED_METHODS: ReadonlySet<string> = new Set(["contains", "indexOf", "lastIndexOf", "split", "join", "lowerAscii", "upperAscii", "trim", "substring"]);
const WEIGHED_FUNCTIONS: ReadonlySet<string> = new Set(["bytes", "string", "double", "int", "uint", "bool"]);

/** An expression, parsed and made safe. */
export interface Program {
  readonly parsed: ParseResult;
  /** Names it reads from outside, in order of appearance. */
  readonly roots: string[];
  /** How deep comprehensions stand in one another. */
  readonly nesting: number;
  /** Methods it calls that give different answers on different machines. */
  readonly unstable: string[];
  /** Regular expressions that stand in it as literals. */
  readonly patterns: string[];
}

interface Walk {
  roots: Set<string>;
  nesting: number;
  unstable: string[];
  patterns: string[];
  nulls: ReadonlySet<string>;
  limits: boolean;
}

/**
 * @param nulls - Names that read as `null` at any depth (skipped nodes).
 * @param limits - Whether items read by comprehensions are counted; off for type checks, where it would hide the type of a list.
 * @throws the library's ParseError; RangeError where it is nested beyond the stack.
 */
export function parseProgram(source: string, nulls: ReadonlySet<string>, limits: boolean): Program {
  const parsed = environment().parse(source);
  const walk: Walk = { roots: new Set(), nesting: 0, unstable: [], patterns: [], nulls, limits };
  visit(parsed.ast, new Set(), 0, walk);
  return { parsed, roots: [...walk.roots], nesting: walk.nesting, unstable: walk.unstable, patterns: walk.patterns };
}

function visit(node: ASTNode, bound: ReadonlySet<string>, nesting: number, walk: Walk): void {
  if (walk.nulls.size > 0 && replaceNull(node, bound, walk)) return;
  switch (node.op) {
    case "value":
      return;
    case "id":
      if (!bound.has(node.args) && !celNames().has(node.args)) walk.roots.add(node.args);
      return;
    case ".":
    case ".?":
      return visit(node.args[0], bound, nesting, walk);
    case "!_":
    case "-_":
      return visit(node.args, bound, nesting, walk);
    case "list":
      for (const item of node.args) visit(item, bound, nesting, walk);
      return;
    case "map":
      for (const [key, value] of node.args) {
        visit(key, bound, nesting, walk);
        visit(value, bound, nesting, walk);
      }
      return;
    case "call": {
      const [name, args] = node.args;
      node.args[0] = REPLACED_FUNCTIONS.get(name) ?? name;
      if (name === "matches") notePattern(args[1], walk);
      for (const argument of args) visit(argument, bound, nesting, walk);
      if (name === "matches") weighIn(args, 0, "matched", walk);
      else if (WEIGHED_FUNCTIONS.has(name)) weighIn(args, 0, "weighed", walk);
      return;
    }
    case "rcall":
      return visitMethod(node, bound, nesting, walk);
    default:
      for (const argument of node.args) visit(argument, bound, nesting, walk);
      if (node.op === "in") weighIn(node.args, 1, "sought", walk);
      else if (WEIGHED_OPERATORS.has(node.op) && !node.args.some((argument) => argument.op === "value" && typeof argument.args !== "string")) {
        weighIn(node.args, 0, "weighed", walk);
        weighIn(node.args, 1, "weighed", walk);
      }
  }
}

function visitMethod(node: ASTNode & { op: "rcall" }, bound: ReadonlySet<string>, nesting: number, walk: Walk): void {
  const [name, receiver, args] = node.args;
  visit(receiver, bound, nesting, walk);
  const comprehension = asLibraryNode(node).meta.alternate;
  const first = args[0];
  if (comprehension?.op === "comprehension" && first?.op === "id") {
    walk.nesting = Math.max(walk.nesting, nesting + 1);
    if (walk.limits) comprehension.args.iterable = inCall(LIMITED, receiver);
    const inner = new Set(bound).add(first.args);
    for (const argument of args.slice(1)) visit(argument, inner, nesting + 1, walk);
    return;
  }
  if (name === "bind" && receiver.op === "id" && receiver.args === "cel" && first?.op === "id" && args[1] && args[2]) {
    visit(args[1], bound, nesting, walk);
    return visit(args[2], new Set(bound).add(first.args), nesting, walk);
  }
  if (UNSTABLE_METHODS.has(`${name}/${args.length}`)) walk.unstable.push(name);
  if (name === "matches") notePattern(first, walk);
  node.args[0] = REPLACED_METHODS.get(name) ?? name;
  for (const argument of args) visit(argument, bound, nesting, walk);
  if (name === "matches") weighIn(node.args, 1, "matched", walk);
  else if (WEIGHED_METHODS.has(name)) weighIn(node.args, 1, "weighed", walk);
  if (name === "join") weighIn(args, 0, "weighed", walk);
}

/** Has what stands there weighed before it is used. */
function weighIn(args: unknown[], at: number, weigher: Weigher, walk: Walk): void {
  const argument = args[at] as ASTNode | undefined;
  if (walk.limits && argument !== undefined && argument.op !== "value") args[at] = inCall(weigher, argument);
}

function notePattern(argument: ASTNode | undefined, walk: Walk): void {
  if (argument?.op === "value" && typeof argument.args === "string") walk.patterns.push(argument.args);
}

function inCall(name: string, argument: ASTNode): ASTNode {
  const call = environment().parse(`${name}(0)`).ast;
  if (call.op === "call") call.args[1][0] = argument;
  return call;
}

function replaceNull(node: ASTNode, bound: ReadonlySet<string>, walk: Walk): boolean {
  if (node.op === "call" && node.args[0] === "has") {
    const subject = node.args[1][0];
    if (subject === undefined || !startsAtNull(subject, bound, walk)) return false;
    asLibraryNode(node).setMeta("alternate", environment().parse("false").ast);
    return true;
  }
  if (!startsAtNull(node, bound, walk)) return false;
  asLibraryNode(node).setMeta("alternate", environment().parse("dyn(null)").ast);
  return true;
}

function startsAtNull(node: ASTNode, bound: ReadonlySet<string>, walk: Walk): boolean {
  let at: ASTNode = node;
  while (at.op === "." || at.op === "[]") at = at.args[0];
  return at.op === "id" && walk.nulls.has(at.args) && !bound.has(at.args);
}
