/** Writes the node types of the catalogue as TypeScript types for `builder/`: from the JSON schemas that `GET /nodes` shows, so that both say the same. */
import { isObject, type JsonObject } from "../core/json.ts";
import type { NodeDefinition } from "../nodes/define.ts";
import { describeNode, type NodeMetadata } from "../nodes/metadata.ts";

/** Routes that come from inputs, of the types that have such. */
const DYNAMIC_ROUTES: Readonly<Record<string, string>> = { Switch: "`case:${number}`" };

/** The content of `builder/node-types.gen.ts` below its header. */
export function builderTypes(definitions: readonly NodeDefinition[]): string {
  const blocks = definitions.toSorted((a, b) => (a.type < b.type ? -1 : 1)).map((definition) => new Writer(definition).write());
  return [
    'import type { Anything, TextValue, Value } from "./reference.ts";\n',
    ...blocks.flatMap(({ shared }) => shared),
    "/** Every node type: what it takes, what it hands on, where edges enter and leave. */",
    "export interface NodeTypes {",
    ...blocks.map(({ entry }) => entry),
    "}",
    "",
  ].join("\n");
}

interface Place {
  /** Read as it stands or as an expression: references do not fit. */
  plain: boolean;
  indent: string;
}

class Writer {
  readonly #definition: NodeDefinition;
  readonly #metadata: NodeMetadata;
  readonly #shared = new Map<string, string>();

  constructor(definition: NodeDefinition) {
    this.#definition = definition;
    this.#metadata = describeNode(definition);
  }

  write(): { shared: string[]; entry: string } {
    const { name, description, routes, dynamic_routes: dynamic, handles, kind, input_schema: inputs, output_schema: outputs } = this.#metadata;
    const { terminal, fixedInputs = [] } = this.#definition;
    const inputNames = Object.keys(propertiesOf(inputs)).filter((input) => !fixedInputs.includes(input));
    const flowIn = [...handles.in.filter((handle) => handle.kind === "flow").map((handle) => handle.name), ...inputNames];
    const plugs = handles.in.filter((handle) => handle.kind !== "flow").map((handle) => `${JSON.stringify(handle.name)}: ${JSON.stringify(handle.kind)}`);
    const flowOut = handles.out.filter((handle) => handle.kind === "flow").map((handle) => handle.name);
    const routed = routes.length > 0 || dynamic;
    const leaves = flowOut.filter((route) => routed || (route !== "output" && route !== this.#definition.outputHandle)).map((route) => JSON.stringify(route));
    if (dynamic) leaves.unshift(DYNAMIC_ROUTES[name] ?? "string");
    const entry = [
      `  /** ${comment(description)} */`,
      `  ${JSON.stringify(name)}: {`,
      `    inputs: ${this.#fields(inputs, "    ")};`,
      `    output: ${this.#output(outputs)};`,
      `    enters: ${kind === "provider" ? "never" : [...new Set(flowIn)].map((each) => JSON.stringify(each)).join(" | ")};`,
      `    leaves: ${leaves.join(" | ") || "never"};`,
      `    goesOn: ${!routed && !terminal && kind !== "provider"};`,
      `    takes: { ${plugs.join("; ")} };`,
      `    provides: ${this.#definition.provides ? JSON.stringify(this.#definition.provides) : "never"};`,
      "  };",
    ].join("\n");
    return { shared: [...this.#shared.values()], entry };
  }

  /** Top level of the inputs: each by its own dialect. */
  #fields(schema: JsonObject, indent: string): string {
    const required = requiredOf(schema);
    const deeper = `${indent}  `;
    const dialects = Object.entries(this.#definition.dialects ?? {});
    const lines = Object.entries(propertiesOf(schema)).map(([name, property]) => {
      const plain = dialects.some(([path, dialect]) => dialect !== "template" && (path === name || path.startsWith(`${name}.`)));
      const described = typeof property["description"] === "string" ? `${deeper}/** ${comment(property["description"])} */\n` : "";
      return `${described}${deeper}${JSON.stringify(name)}${required.has(name) ? "" : "?"}: ${this.#input(property, schema, { plain, indent: deeper })};`;
    });
    return lines.length === 0 ? "{}" : `{\n${lines.join("\n")}\n${indent}}`;
  }

  #input(schema: JsonObject, root: JsonObject, place: Place): string {
    const wrap = (type: string): string => (place.plain ? type : `Value<${type}>`);
    const { $ref, enum: words, anyOf, oneOf, type } = schema;
    if (typeof $ref === "string") return this.#named($ref, root, place);
    if (Object.hasOwn(schema, "const")) return wrap(JSON.stringify(schema["const"]));
    if (Array.isArray(words)) return wrap(words.map((word) => JSON.stringify(word)).join(" | "));
    const choices = Array.isArray(anyOf) ? anyOf : Array.isArray(oneOf) ? oneOf : undefined;
    if (choices) return unique(choices.filter(isObject).map((choice) => this.#input(choice as JsonObject, root, place)));
    if (Array.isArray(type)) return unique(type.map((each) => this.#input({ ...schema, type: each }, root, place)));
    switch (type) {
      case "string":
        return place.plain ? "string" : "TextValue";
      case "number":
      case "integer":
        return wrap("number");
      case "boolean":
        return wrap("boolean");
      case "null":
        return "null";
      case "array":
        return wrap(`readonly (${isObject(schema["items"]) ? this.#input(schema["items"] as JsonObject, root, place) : "unknown"})[]`);
      case "object":
        return wrap(this.#object(schema, (property) => this.#input(property, root, place)));
      default:
        return "unknown";
    }
  }

  #object(schema: JsonObject, convert: (property: JsonObject) => string): string {
    const required = requiredOf(schema);
    const fields = Object.entries(propertiesOf(schema)).map(
      ([name, property]) => `${JSON.stringify(name)}${required.has(name) ? "" : "?"}: ${convert(property)}`,
    );
    if (fields.length > 0) return `{ ${fields.join("; ")} }`;
    const others = schema["additionalProperties"];
    return `Readonly<Record<string, ${isObject(others) ? convert(others as JsonObject) : "unknown"}>>`;
  }

  /** A schema that others refer to, itself among them, becomes a type of its own. */
  #named($ref: string, root: JsonObject, place: Place): string {
    const key = $ref.slice($ref.lastIndexOf("/") + 1);
    const name = `${this.#metadata.name}${key.replaceAll("_", "")}`;
    if (!this.#shared.has(name)) {
      this.#shared.set(name, "");
      const defs = root["$defs"];
      const target = isObject(defs) && isObject(defs[key]) ? (defs[key] as JsonObject) : {};
      this.#shared.set(name, `type ${name} = ${this.#input(target, root, place)};\n`);
    }
    return name;
  }

  #output(schema: JsonObject): string {
    if (Object.hasOwn(schema, "const")) return JSON.stringify(schema["const"]);
    const { enum: words, anyOf, oneOf, type } = schema;
    if (Array.isArray(words)) return words.map((word) => JSON.stringify(word)).join(" | ");
    const choices = Array.isArray(anyOf) ? anyOf : Array.isArray(oneOf) ? oneOf : undefined;
    if (choices) return unique(choices.filter(isObject).map((choice) => this.#output(choice as JsonObject)));
    if (Array.isArray(type)) return unique(type.map((each) => this.#output({ ...schema, type: each })));
    switch (type) {
      case "string":
      case "boolean":
      case "null":
        return type;
      case "number":
      case "integer":
        return "number";
      case "array":
        return `readonly (${isObject(schema["items"]) ? this.#output(schema["items"] as JsonObject) : "Anything"})[]`;
      case "object":
        return this.#object(schema, (property) => this.#output(property));
      default:
        return "Anything";
    }
  }
}

function propertiesOf(schema: JsonObject): Record<string, JsonObject> {
  return isObject(schema["properties"]) ? (schema["properties"] as Record<string, JsonObject>) : {};
}

function requiredOf(schema: JsonObject): ReadonlySet<unknown> {
  return new Set(Array.isArray(schema["required"]) ? schema["required"] : []);
}

function unique(types: readonly string[]): string {
  return [...new Set(types)].join(" | ");
}

function comment(text: string): string {
  return text.replaceAll("*/", "*\\/").replaceAll("\n", " ");
}
