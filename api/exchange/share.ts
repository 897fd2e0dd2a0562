import { isObject, type Json, type JsonObject } from "#core";
import { type NodeDefinition, nodeDefinition } from "#nodes";
import { IN_URL, MASKED_NAME, snakeCase } from "../secret-names.ts";

export interface Withheld {
  node_id: string;
  /** Within the graph: `nodes.3.data.inputs.api_key`. */
  path: string;
  /** The name that stands there instead. */
  secret?: string;
}

export interface Shared {
  graph: JsonObject;
  secrets: string[];
  withheld: Withheld[];
}

const REFERENCE = /\{\{~?\s*secrets\.([A-Za-z0-9_]+)/g;

/**
 * A graph as it may be handed to others: without what its nodes are pinned to (unless asked for), and with references in place of secrets that
 * were written out. A text is taken for a secret where its node's type says so (`confidential`) or its name does (`password`, `x-api-key` …), in
 * nodes that can be given a reference; text with a template in it is left as it is.
 */
export function shareable(graph: JsonObject, { pinnedOutputs }: { pinnedOutputs: boolean }): Shared {
  const withheld: Withheld[] = [];
  const taken = new Set(referencesIn(graph));
  const nodes = Array.isArray(graph["nodes"]) ? graph["nodes"] : [];
  const shared = nodes.map((node, at) => (isObject(node) ? new Masking(node as JsonObject, `nodes.${at}`, { withheld, taken, pinnedOutputs }).node() : node));
  const result: JsonObject = nodes.length > 0 ? { ...graph, nodes: shared } : graph;
  return { graph: result, secrets: referencesIn(result), withheld };
}

/** Names of the secrets that a graph refers to, in order of their first use. */
export function referencesIn(graph: Json): string[] {
  return [...new Set([...JSON.stringify(graph).matchAll(REFERENCE)].map((match) => match[1] ?? ""))];
}

class Masking {
  readonly #node: JsonObject;
  readonly #place: string;
  readonly #id: string;
  readonly #definition: NodeDefinition | undefined;
  readonly #context: { withheld: Withheld[]; taken: Set<string>; pinnedOutputs: boolean };

  constructor(node: JsonObject, place: string, context: { withheld: Withheld[]; taken: Set<string>; pinnedOutputs: boolean }) {
    this.#node = node;
    this.#place = place;
    this.#id = typeof node["id"] === "string" ? node["id"] : "";
    this.#definition = typeof node["type"] === "string" ? nodeDefinition(node["type"]) : undefined;
    this.#context = context;
  }

  node(): JsonObject {
    const data = this.#node["data"];
    return this.#withFields(this.#node, {
      ...(isObject(data) && { data: this.#data(data as JsonObject, `${this.#place}.data`) }),
      ...this.#inputs(this.#node, this.#place, ["config"]),
      ...this.#settings(this.#node, this.#place),
    });
  }

  #data(data: JsonObject, place: string): JsonObject {
    const named = Object.keys(data).filter((key) => !["inputs", "config", "settings", "name", "label"].includes(key));
    const own = Object.fromEntries(named.map((key) => [key, this.#masked(data[key] as Json, key, `${place}.${key}`, this.#canonical(key))]));
    return this.#withFields(data, { ...own, ...this.#inputs(data, place, ["inputs", "config"]), ...this.#settings(data, place) });
  }

  /** The same object with some fields replaced, in its order. */
  #withFields(object: JsonObject, fields: JsonObject): JsonObject {
    return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, Object.hasOwn(fields, key) ? (fields[key] as Json) : value]));
  }

  #inputs(object: JsonObject, place: string, keys: readonly string[]): JsonObject {
    return Object.fromEntries(
      keys
        .filter((key) => isObject(object[key]))
        .map((key) => [
          key,
          Object.fromEntries(
            Object.entries(object[key] as JsonObject).map(([name, value]) => [
              name,
              this.#masked(value, name, `${place}.${key}.${name}`, this.#canonical(name)),
            ]),
          ),
        ]),
    );
  }

  #settings(object: JsonObject, place: string): JsonObject {
    const settings = object["settings"];
    if (this.#context.pinnedOutputs || !isObject(settings)) return {};
    const kept = Object.entries(settings as JsonObject).filter(([name]) => {
      const isPinned = snakeCase(name) === "pinned_output";
      if (isPinned) this.#context.withheld.push({ node_id: this.#id, path: `${place}.settings.${name}` });
      return !isPinned;
    });
    return { settings: Object.fromEntries(kept) };
  }

  #canonical(written: string): string {
    const name = snakeCase(written);
    return this.#definition?.inputAliases?.[name] ?? name;
  }

  /** `input` is the path within the inputs by declared names. */
  #masked(value: Json, name: string, place: string, input: string): Json {
    if (!this.#takesSecrets(input)) return value;
    if (Array.isArray(value)) return value.map((item, at) => this.#masked(item, name, `${place}.${at}`, input));
    if (isObject(value)) {
      return Object.fromEntries(
        Object.entries(value as JsonObject).map(([key, inner]) => [key, this.#masked(inner, key, `${place}.${key}`, `${input}.${snakeCase(key)}`)]),
      );
    }
    if (typeof value !== "string" || value.trim() === "") return value;
    const isConfidential = this.#definition?.confidential?.includes(input) || MASKED_NAME.test(snakeCase(name));
    if (isConfidential && !value.includes("{{")) return this.#reference(name, place);
    return value.replaceAll(IN_URL, () => this.#reference(`${name}_secret`, place));
  }

  /** Only what is sent from an activity can refer to a secret; code and expressions cannot. */
  #takesSecrets(input: string): boolean {
    const { kind, local, dialects } = this.#definition ?? {};
    return (kind === "activity" || kind === "provider") && !local && (dialects?.[input] ?? "template") === "template";
  }

  #reference(name: string, path: string): string {
    const base = `${this.#id}_${name}`.toUpperCase().replaceAll(/[^A-Z0-9]+/g, "_");
    let secret = base;
    for (let count = 2; this.#context.taken.has(secret); count++) secret = `${base}_${count}`;
    this.#context.taken.add(secret);
    this.#context.withheld.push({ node_id: this.#id, path, secret });
    return `{{secrets.${secret}}}`;
  }
}
