import type { Adaptation, AnswerFields } from "#contract";
import { type Json, type JsonObject, isObject } from "#core";

interface PlainReply {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The canonical body of a documented one. What is no object is left to the schema. */
export function canonicalBody(body: Json | undefined, fields: Adaptation["body"] = {}): Json | undefined {
  if (!isObject(body)) return body;
  let canonical = body;
  for (const [documented, target] of Object.entries(fields)) {
    const value = valueAt(canonical, documented);
    if (value === undefined) continue;
    canonical = without(canonical, documented.split("."));
    if (valueAt(canonical, target) === undefined) canonical = withValue(canonical, target.split("."), value);
  }
  return canonical;
}

/** The canonical parameters of documented ones. */
export function canonicalQuery<V>(query: Record<string, V>, names: Adaptation["query"] = {}): Record<string, V> {
  const renamed = Object.entries(query).map(([name, value]): [string, V] => [Object.hasOwn(names, name) ? (names[name] ?? name) : name, value]);
  return Object.fromEntries([...renamed, ...Object.entries(query).filter(([name]) => !Object.hasOwn(names, name))]);
}

/** The documented answer of a canonical one. */
export function documentedReply(reply: PlainReply, { answer, replies }: Adaptation): PlainReply {
  const { status, body } = replies?.[reply.status] ?? { status: reply.status };
  return { ...reply, status, body: body ?? (answer ? documentedBody(reply.body, answer) : reply.body) };
}

function documentedBody(body: unknown, answer: AnswerFields): unknown {
  if (Array.isArray(body)) return body.map((item: unknown) => documentedBody(item, answer));
  return isObject(body as Json) ? { ...(body as JsonObject), ...fieldsOf(body as JsonObject, answer) } : body;
}

function fieldsOf(body: JsonObject, answer: AnswerFields): JsonObject {
  return Object.fromEntries(
    Object.entries(answer).flatMap(([field, source]) => {
      const value = typeof source === "string" ? valueAt(body, source) : fieldsOf(body, source);
      return value === undefined ? [] : [[field, value]];
    }),
  );
}

function valueAt(object: JsonObject, path: string): Json | undefined {
  let value: Json | undefined = object;
  for (const part of path.split(".")) value = isObject(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  return value;
}

function without(object: JsonObject, [field = "", ...inner]: readonly string[]): JsonObject {
  const { [field]: value, ...others } = object;
  return inner.length > 0 && isObject(value) ? { ...others, [field]: without(value, inner) } : others;
}

function withValue(object: JsonObject, [field = "", ...inner]: readonly string[], value: Json): JsonObject {
  if (inner.length === 0) return { ...object, [field]: value };
  const child = object[field];
  // What is there and is no object is for the schema to refuse.
  if (child !== undefined && child !== null && !isObject(child)) return object;
  return { ...object, [field]: withValue(child ?? {}, inner, value) };
}
