import { PerdureError } from "#core";

declare const VALUE: unique symbol;
/** Stands in types for a value of which nothing is known: any field of it may be read, and it fits everywhere. */
export interface Anything {
  readonly [VALUE]: "anything";
}

const PATH = Symbol("path");
type Path = readonly (string | number)[];

/** A value that is there only when the workflow runs. In text it reads `{{path}}`; in the graph's JSON it is that text. */
export interface Reference<T = unknown> {
  readonly [VALUE]?: T;
  readonly [PATH]: Path;
  toString(): string;
  toJSON(): string;
}

/** A reference whose fields can be read on, each a reference itself. */
export type ReferenceTo<T> = [T] extends [Anything]
  ? AnyReference
  : [NonNullable<T>] extends [readonly (infer Item)[]]
    ? Reference<T> & { readonly [index: number]: ReferenceTo<Item> }
    : [NonNullable<T>] extends [object]
      ? Reference<T> & { readonly [K in keyof NonNullable<T>]-?: ReferenceTo<NonNullable<T>[K]> }
      : Reference<T>;

/** A reference to what nothing is known of. */
export type AnyReference = Reference<Anything> & { readonly [field: string]: AnyReference } & { readonly [index: number]: AnyReference };

/** What an input of type T takes: a value, or a reference to one. */
export type Value<T> = T | Reference<T> | Reference<Anything>;
/** What a text takes: text, in which references may stand, or a reference to anything, which is written out as text. */
export type TextValue = string | Reference;

/** `{{names}}`: letters, digits, `_` and, unlike in expressions, `-`. */
const PLAIN_IN_TEMPLATES = /^[A-Za-z_][\w-]*$/;
const IDENTIFIER = /^[A-Za-z_]\w*$/;

/** A reference by its path: the name of the scope (`inputs`, a node's id …), then fields and indices. */
export function reference<T>(path: Path): ReferenceTo<T> {
  const text = (): string => `{{${templatePath(path)}}}`;
  const target = { [PATH]: path, toString: text, toJSON: text, [Symbol.toPrimitive]: text };
  return new Proxy(target, {
    get: (own, key) =>
      typeof key === "symbol" || key === "toString" || key === "toJSON" ? (Reflect.get(own, key) as unknown) : reference([...path, indexOr(key)]),
  }) as unknown as ReferenceTo<T>;
}

export function isReference(value: unknown): value is Reference {
  return typeof value === "object" && value !== null && PATH in value;
}

/** Says of what type a reference is, where the builder cannot know it: `typed<Order>(item).amount`. */
export function typed<T>(of: Reference): ReferenceTo<T> {
  return reference<T>(of[PATH]);
}

/** An item of a list, or a field or deeper path of what nothing is known of: `field(call.output.body, "rows", 0, "price")`. Takes any name, also one that JavaScript uses itself. */
export function field<T>(of: Reference<readonly T[]>, index: number): ReferenceTo<T>;
export function field(of: Reference, ...names: readonly (string | number)[]): AnyReference;
export function field(of: Reference, ...names: readonly (string | number)[]): AnyReference {
  return reference<Anything>([...of[PATH], ...names]);
}

/** The path without braces, for a helper of a template: `{{upper ${path(ask.output.text)}}}`. @throws PerdureError `validation.failed` for a name with `]`. */
export function path(of: Reference): string {
  return templatePath(of[PATH]);
}

/** The path as CEL reads it. @throws PerdureError `validation.failed` where CEL has no name for the node. */
export function celPath(of: Reference): string {
  const [name, ...rest] = of[PATH];
  if (!IDENTIFIER.test(String(name))) {
    throw new PerdureError("validation.failed", `CEL cannot name \`${String(name)}\`: an id of letters, digits and \`_\` can be read in it.`);
  }
  return `${String(name)}${rest.map((part) => (typeof part === "string" && IDENTIFIER.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`)).join("")}`;
}

/** The path as JSONata reads it. */
export function jsonataPath(of: Reference): string {
  return of[PATH].map((part, at) => (typeof part === "number" ? `[${part}]` : `${at > 0 ? "." : ""}${IDENTIFIER.test(part) ? part : `\`${part}\``}`)).join("");
}

function templatePath(parts: Path): string {
  return parts
    .map((part, at) => {
      if (typeof part === "number") return `[${part}]`;
      if (part.includes("]")) throw new PerdureError("validation.failed", `A template cannot name \`${part}\`: it holds a \`]\`.`);
      return `${at > 0 ? "." : ""}${PLAIN_IN_TEMPLATES.test(part) ? part : `[${part}]`}`;
    })
    .join("");
}

function indexOr(key: string): string | number {
  return /^(0|[1-9]\d*)$/.test(key) ? Number(key) : key;
}
