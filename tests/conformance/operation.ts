import { Validator } from "@cfworker/json-schema";
import fc from "fast-check";
import { type Json, type JsonObject, isObject } from "#core";
import { type Schema, arbitraries, nasty } from "./arbitraries.ts";

interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required?: boolean;
  schema: Schema;
}
interface Reply {
  content?: Record<string, { schema?: Schema }>;
}

/** An operation of the served description. */
export interface Operation {
  method: string;
  path: string;
  operationId: string;
  parameters: Parameter[];
  body: { schema: Schema; required: boolean } | undefined;
  replies: Record<string, Reply>;
  /** Statuses with which what fits the schemas may still be refused. */
  refusals: number[];
}

/** A request as it is sent. */
export interface MadeRequest {
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
}

export function operationsOf(document: JsonObject): Operation[] {
  return Object.entries(document["paths"] as Record<string, JsonObject>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => {
      const operation = described as JsonObject;
      const body = operation["requestBody"] as { content: Record<string, { schema: Schema }>; required?: boolean } | undefined;
      const json = body?.content["application/json"];
      return {
        method: method.toUpperCase(),
        path,
        operationId: String(operation["operationId"]),
        parameters: (operation["parameters"] ?? []) as unknown as Parameter[],
        body: json && { schema: json.schema, required: body?.required === true },
        replies: operation["responses"] as unknown as Record<string, Reply>,
        refusals: [...(operation["x-has-rules"] ? [422] : []), ...(operation["x-is-paged"] ? [400] : [])],
      };
    }),
  );
}

/** Requests of an operation. `ids` are those that exist, which parameters of paths are taken from now and then. */
export function requestsOf(document: JsonObject, operation: Operation, ids: readonly string[]) {
  const { valid, resolve } = arbitraries(document);
  const of = (place: Parameter["in"]): Parameter[] => operation.parameters.filter((each) => each.in === place);

  const pathValues = fc.record(
    Object.fromEntries(
      of("path").map(({ name, schema }) => [name, resolve(schema)["format"] === "uuid" ? fc.oneof(fc.constantFrom(...ids), fc.uuid()) : valid(schema)]),
    ),
  );
  const parameters = (place: "query" | "header") =>
    fc.record(Object.fromEntries(of(place).map(({ name, schema }) => [name, valid(schema)])), {
      requiredKeys: of(place).flatMap(({ name, required }) => (required ? [name] : [])),
    }) as fc.Arbitrary<Record<string, Json>>;
  const bodies: fc.Arbitrary<Json | undefined> = operation.body
    ? fc.oneof({ weight: 4, arbitrary: valid(operation.body.schema) }, ...(operation.body.required ? [] : [{ weight: 1, arbitrary: fc.constant(undefined) }]))
    : fc.constant(undefined);

  const parts = fc.record({ path: pathValues, query: parameters("query"), header: parameters("header"), body: bodies });
  const fitting = parts.map((made): MadeRequest => written(operation, made));

  /** One part of a fitting request is replaced by something nasty, or its body by what is no JSON. */
  const unfitting = fc
    .tuple(
      parts,
      nasty,
      fc.nat(),
      fc.constantFrom("{", "[1,", "nul", "\u0000", '{"a":1e999}', '{"a":"\\ud800"}', "[".repeat(5_000), '{"a":1}{"a":1}', "\ufeff{}"),
    )
    .map(([made, value, pick, junk]): MadeRequest => {
      const places = [
        ...of("query").map(
          ({ name }) =>
            () =>
              written(operation, { ...made, query: { ...made.query, [name]: value } }),
        ),
        ...of("path").map(
          ({ name }) =>
            () =>
              written(operation, { ...made, path: { ...made.path, [name]: value } }),
        ),
        ...(operation.body
          ? [
              () => written(operation, { ...made, body: value }),
              () => ({ ...written(operation, made), body: junk }),
              ...Object.keys((resolve(operation.body.schema)["properties"] ?? {}) as JsonObject).map(
                (name) => () => written(operation, { ...made, body: { ...(isObject(made.body) && (made.body as JsonObject)), [name]: value } }),
              ),
            ]
          : []),
        () => written(operation, { ...made, query: { ...made.query, ["unknown\u0000"]: value } }),
      ];
      return (places[pick % places.length] as () => MadeRequest)();
    });
  return { fitting, unfitting };
}

interface Parts {
  path: Record<string, Json>;
  query: Record<string, Json>;
  header: Record<string, Json>;
  body: Json | undefined;
}

function written(operation: Operation, { path, query, header, body }: Parts): MadeRequest {
  // Nothing, and a dot alone, are steps in a path, no names.
  const filled = operation.path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => encode(path[name] ?? null).replace(/^\.{0,2}$/, "x"));
  const search = Object.entries(query)
    .flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((each) => `${encode(name)}=${encode(each)}`))
    .join("&");
  return {
    path: search === "" ? filled : `${filled}?${search}`,
    headers: Object.fromEntries(
      Object.entries(header).map(([name, value]) => [
        name,
        plain(value)
          .replaceAll(/[^\u0020-\u007e]/g, "x")
          .trim() || "x",
      ]),
    ),
    body: body === undefined ? undefined : JSON.stringify(body),
  };
}

function plain(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Longest part of an address: Node refuses headers beyond 16 KiB before they reach us. */
const PART_MAX = 1_000;

function encode(value: Json): string {
  return encodeURIComponent(plain(value).slice(0, PART_MAX).toWellFormed());
}

/** Whether the body is JSON that fits the operation's schema. */
export function fitsSchema(document: JsonObject, operation: Operation, body: string): boolean {
  try {
    return new Validator({ ...document, ...operation.body?.schema } as never, "2020-12", true).validate(JSON.parse(body)).valid;
  } catch {
    return false;
  }
}

/** What of an answer is not as the description has it. */
export function misfits(document: JsonObject, operation: Operation, answer: { status: number; type: string | null; text: string }): string[] {
  const { status, type, text } = answer;
  const reply = operation.replies[String(status)];
  if (!reply) return [`the status ${status} is not described`];
  const kinds = Object.keys(reply.content ?? {});
  if (kinds.length === 0) return text === "" ? [] : ["there is a body and none is described"];
  const kind = kinds.find((each) => type?.startsWith(each));
  if (kind === undefined) return [`the content type is ${type}, described are ${kinds.join(", ")}`];
  const schema = reply.content?.[kind]?.schema;
  if (!schema || !/[/+]json$/.test(kind)) return [];
  const root = { ...document, ...schema } as Schema;
  const { valid: fits, errors } = new Validator(root as never, "2020-12", false).validate(JSON.parse(text));
  return fits ? [] : errors.slice(-3).map(({ instanceLocation, error }) => `${instanceLocation}: ${error}`);
}
