import { type Json, PerdureError, stableStringify } from "#core";

/** A missing value reaches a helper as `undefined`, only where the helper (or the condition around it) allows it. */
export type Argument = Json | undefined;

export interface Helper {
  readonly min: number;
  readonly max: number;
  /** Whether its own arguments may be missing. */
  readonly lenient?: true;
  run(args: readonly Argument[]): Json;
}

const compare = (holds: (order: number) => boolean): Helper => ({ min: 2, max: 2, run: ([a, b]) => typeof a === typeof b && holds(order(a, b)) });

/** The fixed list; nothing else can be called from a template. Every one is a pure function of its arguments. */
export const HELPERS: ReadonlyMap<string, Helper> = new Map<string, Helper>([
  [
    "json",
    {
      min: 1,
      max: 2,
      run: ([value, indent]) => JSON.stringify(value ?? null, undefined, typeof indent === "number" ? Math.min(Math.max(indent, 0), 8) : undefined),
    },
  ],
  [
    "join",
    {
      min: 1,
      max: 2,
      run: ([list, separator]) =>
        listOf("join", list)
          .map(toText)
          .join(separator === undefined ? ", " : toText(separator)),
    },
  ],
  [
    "default",
    { min: 2, max: 8, lenient: true, run: (args) => args.find((value) => value !== undefined && value !== null && value !== "") ?? args.at(-1) ?? null },
  ],
  ["date", { min: 1, max: 2, run: ([value, format]) => formatDate(value, format) }],
  ["upper", { min: 1, max: 1, run: ([value]) => toText(value).toUpperCase() }],
  ["lower", { min: 1, max: 1, run: ([value]) => toText(value).toLowerCase() }],
  ["trim", { min: 1, max: 1, run: ([value]) => toText(value).trim() }],
  ["length", { min: 1, max: 1, run: ([value]) => lengthOf(value) }],
  ["eq", { min: 2, max: 2, run: ([a, b]) => equal(a, b) }],
  ["ne", { min: 2, max: 2, run: ([a, b]) => !equal(a, b) }],
  ["gt", compare((order) => order > 0)],
  ["gte", compare((order) => order >= 0)],
  ["lt", compare((order) => order < 0)],
  ["lte", compare((order) => order <= 0)],
  ["and", { min: 1, max: 16, lenient: true, run: (args) => args.find((value) => !isTruthy(value)) ?? (args.every(isTruthy) ? (args.at(-1) ?? null) : null) }],
  ["or", { min: 1, max: 16, lenient: true, run: (args) => args.find(isTruthy) ?? args.at(-1) ?? null }],
  ["not", { min: 1, max: 1, lenient: true, run: ([value]) => !isTruthy(value) }],
]);

/** As Handlebars: `false`, `null`, nothing, `""`, `0` and the empty list are false. */
export function isTruthy(value: Argument): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

/** How a value reads within a text: strings as they are, `null` as nothing, lists and objects as JSON. */
export function toText(value: Argument): string {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function equal(a: Argument, b: Argument): boolean {
  if (a === b) return true;
  return typeof a === "object" && typeof b === "object" && a !== null && b !== null && stableStringify(a) === stableStringify(b);
}

function order(a: Argument, b: Argument): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  return Number.NaN;
}

function listOf(helper: string, value: Argument): readonly Json[] {
  if (Array.isArray(value)) return value;
  if (value === null || value === undefined) return [];
  throw new PerdureError("expression.failed", `\`${helper}\` in a template needs a list.`);
}

function lengthOf(value: Argument): number {
  if (typeof value === "string" || Array.isArray(value)) return value.length;
  if (typeof value === "object" && value !== null) return Object.keys(value).length;
  return 0;
}

const ISO_DATE = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,9})?)?\s*(Z|[+-]\d{2}:?\d{2})?)?$/i;

/** Always UTC, and no locale: the same text on every machine. Takes ISO 8601 (no zone = UTC) or milliseconds since 1970. */
function formatDate(value: Argument, format: Argument): string {
  const time = timeOf(value);
  if (time === undefined) throw new PerdureError("expression.failed", "`date` in a template needs an ISO 8601 date or milliseconds since 1970.");
  const iso = new Date(time).toISOString();
  switch (format) {
    case undefined:
    case "iso":
      return iso;
    case "date":
      return iso.slice(0, 10);
    case "time":
      return iso.slice(11, 19);
    default:
      throw new PerdureError("expression.failed", `\`date\` in a template knows the formats iso, date and time, not ${JSON.stringify(format)}.`);
  }
}

const LATEST_MS = 8.64e15;
function timeOf(value: Argument): number | undefined {
  if (typeof value === "number") return Math.abs(value) <= LATEST_MS ? value : undefined;
  const parts = typeof value === "string" ? ISO_DATE.exec(value.trim()) : null;
  if (!parts) return undefined;
  const [, day, clock = "00:00", seconds = ":00", zone = "Z"] = parts;
  const time = Date.parse(`${day}T${clock}${seconds}${zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase()}`);
  return Number.isNaN(time) ? undefined : time;
}
