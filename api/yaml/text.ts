import { type Finding, type Json, PerdureError } from "#core";
import { type Document, isAlias, isMap, isScalar, isSeq, parseDocument, stringify } from "yaml";

export interface YamlLimits {
  /** Of the text, checked before it is handed over. Reading YAML costs many times what JSON does. */
  maxBytes: number;
  /** Uses of anchors in one document. */
  maxAliases: number;
  /** Of what the document holds once aliases stand for their values, in characters of its JSON. */
  maxExpanded: number;
  /** Lists and objects within one another. */
  maxDepth: number;
}

/** Mistakes shown of one document. */
const MOST_FINDINGS = 20;
const MERGE_KEY = "<<";

/**
 * Reads a YAML 1.2 document as JSON: the core schema and nothing else. No tags but those of JSON's types, no merge keys, no keys that are no
 * text, one document. Time and memory grow with the text, whatever its anchors say.
 * @throws PerdureError `request.too_large` for what its aliases make of it; `request.malformed` with what is wrong and where.
 */
export function parseYaml(text: string, limits: Omit<YamlLimits, "maxBytes">): Json {
  const document = read(text, limits.maxDepth);
  const mistakes = [...document.errors, ...document.warnings];
  if (mistakes.length > 0) {
    throw malformed(
      mistakes.slice(0, MOST_FINDINGS).map(({ code, message, linePos }) => ({
        code: `yaml.${code.toLowerCase()}`,
        message: message.split("\n")[0]?.replace(/ at line \d+, column \d+:?$/, "") ?? "",
        ...(linePos && { path: `line ${linePos[0].line}, column ${linePos[0].col}` }),
      })),
    );
  }
  return new Conversion(limits).convert(document.contents, 0).value;
}

/** YAML that `parseYaml` reads back as the same value, and that readers of YAML 1.1 do not take for another (`"yes"`, `"1:30"`). */
export function toYaml(value: Json): string {
  return stringify(value, { version: "1.2", schema: "core", compat: "yaml-1.1", lineWidth: 0, aliasDuplicateObjects: false });
}

function read(text: string, maxDepth: number): Document.Parsed {
  try {
    // Keys are compared below, since the library compares each with each.
    return parseDocument(text, { version: "1.2", schema: "core", customTags: [], merge: false, stringKeys: true, uniqueKeys: false, logLevel: "error" });
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep(maxDepth, error);
    throw error;
  }
}

interface Converted {
  value: Json;
  size: number;
}

class Conversion {
  readonly #limits: Omit<YamlLimits, "maxBytes">;
  readonly #anchors = new Map<string, Converted>();
  #aliases = 0;
  #size = 0;

  constructor(limits: Omit<YamlLimits, "maxBytes">) {
    this.#limits = limits;
  }

  convert(node: unknown, depth: number): Converted {
    if (depth > this.#limits.maxDepth) throw tooDeep(this.#limits.maxDepth);
    if (isAlias(node)) return this.#alias(node.source);
    const before = this.#size;
    const value = this.#value(node, depth);
    const converted = { value, size: this.#size - before };
    if ((isMap(node) || isSeq(node) || isScalar(node)) && node.anchor !== undefined) this.#anchors.set(node.anchor, converted);
    return converted;
  }

  #alias(name: string): Converted {
    this.#aliases += 1;
    if (this.#aliases > this.#limits.maxAliases) throw malformed([{ code: "yaml.aliases", message: `has more than ${this.#limits.maxAliases} aliases` }]);
    // An anchor is known once its value has ended: a value cannot hold itself.
    const found = this.#anchors.get(name);
    if (!found) throw malformed([{ code: "yaml.bad_alias", message: `The alias \`*${name}\` names no anchor before it.` }]);
    this.#grow(found.size);
    return found;
  }

  #value(node: unknown, depth: number): Json {
    if (node === null || node === undefined) return this.#grown(null, 4);
    if (isSeq(node)) {
      this.#grow(2);
      return node.items.map((item) => this.convert(item, depth + 1).value);
    }
    if (isMap(node)) {
      this.#grow(2);
      const fields = new Map<string, Json>();
      for (const { key, value } of node.items) {
        const name = String(isScalar(key) ? key.value : key);
        if (name === MERGE_KEY && (isAlias(value) || (isSeq(value) && value.items.some(isAlias))))
          throw malformed([{ code: "yaml.merge_key", message: "Merge keys (`<<`) are not read; write the fields out." }]);
        if (fields.has(name)) throw malformed([{ code: "yaml.duplicate_key", message: `The key \`${name.slice(0, 100)}\` stands twice in one object.` }]);
        this.#grow(name.length + 4);
        fields.set(name, this.convert(value, depth + 1).value);
      }
      return Object.fromEntries(fields);
    }
    const value = isScalar(node) ? node.value : undefined;
    if (typeof value === "string") return this.#grown(value, value.length + 2);
    if (value === null || typeof value === "boolean") return this.#grown(value, 5);
    if (typeof value === "number" && Number.isFinite(value)) return this.#grown(value, 8);
    throw malformed([{ code: "yaml.value", message: `\`${String(value).slice(0, 100)}\` is no JSON value.` }]);
  }

  #grown<T extends Json>(value: T, size: number): T {
    this.#grow(size);
    return value;
  }

  #grow(size: number): void {
    this.#size += size;
    if (this.#size > this.#limits.maxExpanded) {
      throw new PerdureError("request.too_large", `With its aliases written out the document holds more than ${this.#limits.maxExpanded} characters.`);
    }
  }
}

function malformed(findings: readonly Finding[]): PerdureError {
  return new PerdureError("request.malformed", "The body is not YAML that can be read.", { findings });
}

function tooDeep(maxDepth: number, cause?: unknown): PerdureError {
  return new PerdureError("request.malformed", `The body nests deeper than ${maxDepth} levels.`, { ...(cause !== undefined && { cause }) });
}
