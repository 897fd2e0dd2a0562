import { isObject, PerdureError, stableStringify } from "#core";
import { z } from "zod";

/** The structured form of a decision: `{left, operator, right}`, `{all: [...]}`, `{any: [...]}`, `{not: ...}`, nested at will. Pure. */
export type Decision = boolean | string | Comparison | { all: Decision[] } | { any: Decision[] } | { not: Decision };

export interface Comparison {
  left?: unknown;
  operator: Operator;
  right?: unknown;
}

export const OPERATORS = [
  "equals",
  "not_equals",
  "greater_than",
  "greater_or_equal",
  "less_than",
  "less_or_equal",
  "contains",
  "not_contains",
  "starts_with",
  "ends_with",
  "in",
  "not_in",
  "is_empty",
  "is_not_empty",
  "is_null",
  "is_not_null",
  "is_true",
  "is_false",
] as const;
export type Operator = (typeof OPERATORS)[number];

const OPERATOR_ALIASES: Readonly<Record<string, Operator>> = {
  "==": "equals",
  "===": "equals",
  "=": "equals",
  eq: "equals",
  equal: "equals",
  is: "equals",
  "!=": "not_equals",
  "!==": "not_equals",
  ne: "not_equals",
  neq: "not_equals",
  not_equal: "not_equals",
  ">": "greater_than",
  gt: "greater_than",
  greater: "greater_than",
  ">=": "greater_or_equal",
  gte: "greater_or_equal",
  greater_than_or_equal: "greater_or_equal",
  "<": "less_than",
  lt: "less_than",
  less: "less_than",
  "<=": "less_or_equal",
  lte: "less_or_equal",
  less_than_or_equal: "less_or_equal",
  includes: "contains",
  not_includes: "not_contains",
  exists: "is_not_null",
  not_exists: "is_null",
};

const operatorSchema = z.preprocess(
  (value) => (typeof value === "string" ? (ownAlias(value.trim().toLowerCase()) ?? value.trim().toLowerCase()) : value),
  z.enum(OPERATORS),
);

function ownAlias(name: string): Operator | undefined {
  return Object.hasOwn(OPERATOR_ALIASES, name) ? OPERATOR_ALIASES[name] : undefined;
}

const comparisonSchema = z.object({
  left: z.unknown().optional().describe("A value or template."),
  operator: operatorSchema.describe("How the two sides are compared."),
  right: z.unknown().optional().describe("A value or template; not for operators of one side."),
});

const decision: z.ZodType<Decision, unknown> = z.union([
  z.boolean(),
  z.string(),
  comparisonSchema,
  z.strictObject({
    get all() {
      return z.array(decision);
    },
  }),
  z.strictObject({
    get any() {
      return z.array(decision);
    },
  }),
  z.strictObject({
    get not() {
      return decision;
    },
  }),
]);

/** A CEL string (evaluated before the node runs, so it arrives as a boolean) or the structured form. A function: see `defineNode` on schemas that are exported. */
export function decisionSchema(): z.ZodType<Decision, unknown> {
  return decision;
}

/**
 * Where a decision at `path` may hold CEL strings: itself and two levels of `all`, `any`, `not`. Strings deeper than that are templates.
 */
export function celPaths(path: string): Record<string, "cel"> {
  const steps = ["all.*", "any.*", "not"];
  const inner = steps.map((step) => `${path}.${step}`);
  const paths = [path, ...inner, ...inner.flatMap((outer) => steps.map((step) => `${outer}.${step}`))];
  return Object.fromEntries(paths.map((each) => [each, "cel" as const]));
}

/** @throws PerdureError `expression.failed` when the sides cannot be compared or the decision is no boolean. */
export function decide(decision: Decision): boolean {
  if (typeof decision === "boolean") return decision;
  if (typeof decision === "string") {
    if (decision === "true") return true;
    if (decision === "false") return false;
    throw new PerdureError("expression.failed", "The condition is neither true nor false.");
  }
  if ("all" in decision) return decision.all.every(decide);
  if ("any" in decision) return decision.any.some(decide);
  if ("not" in decision) return !decide(decision.not);
  return compare(decision.left, decision.operator, decision.right);
}

/** Equality of JSON values, whatever the order of keys. A number and its text are not equal. */
export function equalJson(left: unknown, right: unknown): boolean {
  return stableStringify(left ?? null) === stableStringify(right ?? null);
}

function compare(left: unknown, operator: Operator, right: unknown): boolean {
  switch (operator) {
    case "equals":
      return equalJson(left, right);
    case "not_equals":
      return !equalJson(left, right);
    case "greater_than":
      return order(left, right) > 0;
    case "greater_or_equal":
      return order(left, right) >= 0;
    case "less_than":
      return order(left, right) < 0;
    case "less_or_equal":
      return order(left, right) <= 0;
    case "contains":
      return contains(left, right);
    case "not_contains":
      return !contains(left, right);
    case "starts_with":
      return asText(left).startsWith(asText(right));
    case "ends_with":
      return asText(left).endsWith(asText(right));
    case "in":
      return contains(right, left);
    case "not_in":
      return !contains(right, left);
    case "is_empty":
      return isEmpty(left);
    case "is_not_empty":
      return !isEmpty(left);
    case "is_null":
      return left === null || left === undefined;
    case "is_not_null":
      return left !== null && left !== undefined;
    case "is_true":
      return left === true || left === "true";
    case "is_false":
      return left === false || left === "false";
  }
}

/** Numbers and their texts by value, other texts by code units. */
function order(left: unknown, right: unknown): number {
  const a = asNumber(left);
  const b = asNumber(right);
  if (a !== undefined && b !== undefined) return a - b;
  if (typeof left === "string" && typeof right === "string") return left < right ? -1 : left > right ? 1 : 0;
  throw new PerdureError("expression.failed", `${typeName(left)} and ${typeName(right)} have no order: compare two numbers or two texts.`);
}

function contains(whole: unknown, part: unknown): boolean {
  if (typeof whole === "string") return whole.includes(asText(part));
  if (Array.isArray(whole)) return whole.some((item) => equalJson(item, part));
  if (isObject(whole)) return typeof part === "string" && Object.hasOwn(whole, part);
  if (whole === null || whole === undefined) return false;
  throw new PerdureError("expression.failed", `${typeName(whole)} contains nothing: use a text, a list or an object.`);
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return true;
  return Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;
}

function asNumber(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  return typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value)) ? Number(value) : undefined;
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value);
}

function typeName(value: unknown): string {
  if (value === null || value === undefined) return "null";
  return Array.isArray(value) ? "a list" : isObject(value) ? "an object" : `a ${typeof value}`;
}
