import { type Finding, type Json, type JsonObject, PerdureError, isObject } from "#core";
import { type OutputUnit, type Schema, Validator, format } from "@cfworker/json-schema";
import { RE2JS } from "re2js";

/** Findings of one value, `FINDINGS_MAX` at most; paths begin with `at`. */
export type SchemaCheck = (value: Json, at: string) => Finding[];

/** Nobody reads more of what is wrong with one value; a list of a million items may have a million faults. */
const FINDINGS_MAX = 100;
/** Longest message, in characters: an `enum` may be long. */
const MESSAGE_MAX_LENGTH = 300;

/** Draft 2020-12, unless the schema says so itself it is not looked at. */
const DRAFT = "2020-12";

/**
 * Makes a check from a user's JSON schema. Its `pattern`s run on a linear-time engine: a regular expression from one tenant must not be able to
 * hold up the process for all. `patternProperties`, whose expressions cannot be replaced so, are refused. References, unique items and some formats
 * can still take any time: schemas and values of users are checked by `SchemaChecks`, which has a limit.
 * @throws PerdureError `validation.failed` where the schema itself cannot be used.
 */
export function compileSchema(schema: JsonObject): SchemaCheck {
  const patterns = new Map<string, (text: string) => boolean>();
  const validator = new Validator(withLinearPatterns(schema, patterns) as Schema, DRAFT, false);
  return (value, at) => {
    for (const [name, test] of patterns) format[name] = test;
    try {
      return leaves(validator.validate(value).errors)
        .slice(0, FINDINGS_MAX)
        .map((unit) => toFinding(unit, at));
    } catch (error) {
      throw unusable("cannot be evaluated", error);
    } finally {
      for (const name of patterns.keys()) Reflect.deleteProperty(format, name);
    }
  };
}

/** Keywords whose value is data, not schema. */
const DATA_KEYWORDS: ReadonlySet<string> = new Set(["const", "enum", "default", "examples"]);
/** Keywords whose value maps names to schemas. */
const MAP_KEYWORDS: ReadonlySet<string> = new Set(["properties", "$defs", "definitions", "dependentSchemas"]);

/** The schema with each `pattern` as a `format` of its own beside what else it says. `format` tables are looked up by name while a check runs. */
function withLinearPatterns(schema: Json, patterns: Map<string, (text: string) => boolean>): Json {
  if (Array.isArray(schema)) return schema.map((item) => withLinearPatterns(item, patterns));
  if (!isObject(schema)) return schema;
  if (Object.hasOwn(schema, "patternProperties")) throw unusable("uses patternProperties, which is not supported");
  const entries = Object.entries(schema).filter(([key]) => key !== "pattern");
  const copy: JsonObject = Object.fromEntries(
    entries.map(([key, value]) => {
      if (DATA_KEYWORDS.has(key)) return [key, value];
      if (MAP_KEYWORDS.has(key) && isObject(value))
        return [key, Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withLinearPatterns(inner, patterns)]))];
      return [key, withLinearPatterns(value, patterns)];
    }),
  );
  const pattern = Object.hasOwn(schema, "pattern") ? schema["pattern"] : undefined;
  if (typeof pattern !== "string") return copy;
  const name = `pattern ${pattern}`;
  if (!patterns.has(name)) patterns.set(name, linear(pattern));
  return { ...copy, allOf: [...(Array.isArray(copy["allOf"]) ? copy["allOf"] : []), { format: name }] };
}

function linear(pattern: string): (text: string) => boolean {
  try {
    const expression = RE2JS.compile(pattern);
    return (text) => expression.matcher(text).find();
  } catch (error) {
    throw unusable(`has a pattern that is not supported: ${pattern}`, error);
  }
}

function unusable(why: string, cause?: unknown): PerdureError {
  return new PerdureError("validation.failed", `The JSON schema ${why}.`, { cause });
}

/** The validator reports a wrong property and each object around it; only the innermost is worth reading. */
function leaves(units: OutputUnit[]): OutputUnit[] {
  const around = new Set<string>();
  for (const { keywordLocation } of units) {
    for (let at = keywordLocation.lastIndexOf("/"); at > 0 && !around.has(keywordLocation.slice(0, at)); at = keywordLocation.lastIndexOf("/", at - 1)) {
      around.add(keywordLocation.slice(0, at));
    }
  }
  return units.filter((unit) => !around.has(unit.keywordLocation));
}

function toFinding(unit: OutputUnit, at: string): Finding {
  const steps = unit.instanceLocation
    .split("/")
    .slice(1)
    .map((step) => decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~"));
  const said = unit.keyword === "format" ? unit.error.replace(/format "pattern (.*)"/s, 'pattern "$1"') : unit.error;
  const message = said.length > MESSAGE_MAX_LENGTH ? `${said.slice(0, MESSAGE_MAX_LENGTH)}…` : said;
  return { code: `schema.${unit.keyword}`, message, path: [at, ...steps].filter(Boolean).join(".") };
}
