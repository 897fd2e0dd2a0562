import { Environment } from "@marcbachmann/cel-js";
import { RE2JS } from "re2js";
import { Work } from "../evaluate/work.ts";

/** Structure of one expression; the source may be 10,000 characters long. */
export const CEL_LIMITS = { maxAstNodes: 2_000, maxDepth: 60, maxListElements: 500, maxMapEntries: 500, maxCallArguments: 16 } as const;
export const MAX_CEL_SOURCE = 10_000;
/** Comprehensions (`all`, `exists`, `map`, `filter` …) within one another. */
export const MAX_CEL_NESTING = 2;
/** List items that all comprehensions of one evaluation read together. */
export const MAX_CEL_ITEMS = 10_000;

/** Names under which our own versions of built-in functions are registered: the library does not let its own be replaced. */
export const REPLACED_METHODS: ReadonlyMap<string, string> = new Map([["matches", "linearMatches"]]);
export const REPLACED_FUNCTIONS: ReadonlyMap<string, string> = new Map([["timestamp", "zonedTimestamp"]]);
export const LIMITED = "limitedItems";

/** What one evaluation may compare, search, join and give back; counted by `Work`. */
export const MAX_CEL_WORK = 8_000_000;
/** Functions that weigh what stands in them, and hand it on as it is; each with what one unit of weight costs where it stands. */
export const WEIGHERS = { weighed: 1, sought: 1 / 8, matched: 64 } as const;
export type Weigher = keyof typeof WEIGHERS;

/** Built-in methods whose result depends on the machine (its time zone, or what its JavaScript offers). By name and number of arguments. */
export const UNSTABLE_METHODS: ReadonlySet<string> = new Set([
  "getDayOfYear/0",
  "getDayOfYear/1",
  "getDate/1",
  "getDayOfMonth/1",
  "getDayOfWeek/1",
  "getFullYear/1",
  "getHours/1",
  "getMilliseconds/1",
  "getMinutes/1",
  "getMonth/1",
  "getSeconds/1",
  "base64/0",
  "json/0",
  "hex/0",
]);

const budget = { items: 0, work: newWork(MAX_CEL_WORK) };
/** Called before every evaluation; evaluations never overlap, being synchronous. */
export function resetBudget(maxWork: number): void {
  budget.items = MAX_CEL_ITEMS;
  budget.work = newWork(maxWork);
}

function newWork(max: number): Work {
  return new Work(max, () => new Error(`compares, joins or gives back more than ${max} values`));
}

/** Counts a value with all that is in it. @throws Error where that is more than the evaluation may do. */
export function weigh(value: unknown, cost: number = WEIGHERS.weighed): void {
  budget.work.weigh(value, cost);
}

function limitItems(collection: unknown): unknown {
  const size = Array.isArray(collection)
    ? collection.length
    : collection instanceof Map
      ? collection.size
      : typeof collection === "object" && collection !== null
        ? Object.keys(collection).length
        : 0;
  budget.items -= size;
  if (budget.items < 0) throw new Error(`reads more than ${MAX_CEL_ITEMS} list items`);
  return collection;
}

const MAX_PATTERNS = 200;
const patterns = new Map<string, RE2JS>();
/** Finds the pattern anywhere in the text, in time linear in both. */
function linearMatches(text: string, pattern: string): boolean {
  let compiled = patterns.get(pattern);
  if (compiled === undefined) {
    compiled = RE2JS.compile(pattern);
    if (patterns.size >= MAX_PATTERNS) patterns.clear();
    patterns.set(pattern, compiled);
  }
  return compiled.matcher(text).find();
}

/** @throws Error for a malformed pattern. */
export function checkPattern(pattern: string): void {
  RE2JS.compile(pattern);
}

const ZONED = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;
function zonedTimestamp(text: string): Date {
  const time = ZONED.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw new Error("timestamp() needs an ISO 8601 time with Z or an offset");
  return new Date(time);
}

type Arithmetic = (a: number | bigint, b: number | bigint) => number;
const ARITHMETIC: Record<"+" | "-" | "*" | "/", Arithmetic> = {
  "+": (a, b) => Number(a) + Number(b),
  "-": (a, b) => Number(a) - Number(b),
  "*": (a, b) => Number(a) * Number(b),
  "/": (a, b) => Number(a) / Number(b),
};

function remainder(a: number | bigint, b: number | bigint): number {
  if (Number(b) === 0) throw new Error("modulo by zero");
  return Number(a) % Number(b);
}

/** JSON has one kind of number and CEL has three: what comes in is a double, literals are ints, and they mix. */
function createEnvironment(): Environment {
  const environment = new Environment({ unlistedVariablesAreDyn: true, homogeneousAggregateLiterals: false, limits: CEL_LIMITS });
  for (const [operator, run] of Object.entries(ARITHMETIC)) {
    environment.registerOperator(`double ${operator} int: double`, run);
    environment.registerOperator(`int ${operator} double: double`, run);
  }
  for (const [left, right] of [
    ["double", "double"],
    ["double", "int"],
    ["int", "double"],
  ]) {
    environment.registerOperator(`${left} % ${right}: double`, remainder);
  }
  const sync = { async: false } as const;
  environment.registerFunction("string.linearMatches(string): bool", linearMatches, sync);
  environment.registerFunction("matches(string, string): bool", linearMatches, sync);
  environment.registerFunction("zonedTimestamp(string): google.protobuf.Timestamp", zonedTimestamp, sync);
  environment.registerFunction("zonedTimestamp(int): google.protobuf.Timestamp", (seconds: bigint) => new Date(Number(seconds) * 1000), sync);
  environment.registerFunction("zonedTimestamp(double): google.protobuf.Timestamp", (seconds: number) => new Date(seconds * 1000), sync);
  environment.registerFunction(`${LIMITED}(dyn): dyn`, limitItems, sync);
  for (const [name, cost] of Object.entries(WEIGHERS)) {
    const weighing = (value: unknown): unknown => {
      weigh(value, cost);
      return value;
    };
    environment.registerFunction(`${name}(dyn): dyn`, weighing, sync);
  }
  return environment;
}

let created: Environment | undefined;
/** The only one there is, made when first wanted: a run without decisions does not pay for it. Nothing in it changes after that. */
export function environment(): Environment {
  created ??= createEnvironment();
  return created;
}

let names: ReadonlySet<string> | undefined;
/** Names that CEL itself defines, and that therefore cannot name a node or input in an expression. */
export function celNames(): ReadonlySet<string> {
  names ??= new Set(
    environment()
      .getDefinitions()
      .variables.map((variable) => variable.name),
  );
  return names;
}
