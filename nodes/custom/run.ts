import { type Finding, isObject, type Json, type JsonObject, PerdureError, safeParse } from "#core";
import type { Compiled } from "#graph";
import { evaluate } from "#graph/runtime";
import { z } from "zod";
import type { ActivityContext } from "../define.ts";
import httpRequest from "../http/http-request.ts";
import type { CompiledCustomNode } from "./definition.ts";
import { inputShape, zodOf } from "./schemas.ts";

/** The input under which a plan holds what a node's custom type was when it was compiled. No input that is declared can be called so. */
export const DEFINITION = "$definition";

/**
 * Sends the request of a custom node type, as `HttpRequest` would: by the same client, guard and credentials. Nothing of the definition is run.
 * @throws PerdureError `validation.failed` where inputs do not fit the declared schema, `upstream.rejected` where the answer does not.
 */
export async function runCustomNode(inputs: Record<string, unknown>, context: ActivityContext): Promise<{ value: unknown }> {
  const { [DEFINITION]: compiled, credential, ...given } = inputs;
  const definition = compiled as CompiledCustomNode;
  const read = checked(definition, given);
  const sent = httpRequest.inputs.parse({
    method: definition.method,
    url: urlOf(definition, read),
    headers: withoutNulls(rendered(definition.headers, read) as JsonObject),
    query: rendered(definition.query, read),
    ...(definition.body && { body: rendered(definition.body, read) }),
    timeout: definition.timeout,
    follow_redirects: definition.follow_redirects,
    response_type: definition.response_type,
    ...(credential != null && { credential }),
  });
  // What arrives is no body: the definition says what is sent.
  const { value } = await httpRequest.run(sent, { ...context, input: null });
  const { body } = value as { body: unknown };
  if (definition.output_schema) refuseAnswer(definition, body);
  return { value: body };
}

/** `$definition` as people are shown it among a node's inputs. */
export function shownInputs(inputs: Json): Json {
  const definition = isObject(inputs) ? (inputs as JsonObject)[DEFINITION] : undefined;
  if (!isObject(definition)) return inputs;
  const { name = null, version = null } = definition as JsonObject;
  return { ...(inputs as JsonObject), [DEFINITION]: { name, version } };
}

/** The inputs with defaults; one that is declared and not given is null. */
function checked({ name, input_schema: schema }: CompiledCustomNode, given: Record<string, unknown>): JsonObject {
  const shape = inputShape(schema);
  const parsed = safeParse(z.object(shape), given);
  if (!parsed.success)
    throw new PerdureError("validation.failed", `The inputs of ${name} do not fit what it declares.`, { findings: findingsOf(parsed.error) });
  return Object.fromEntries(Object.keys(shape).map((key) => [key, (parsed.data[key] ?? null) as Json]));
}

function refuseAnswer({ name, output_schema: schema }: CompiledCustomNode, body: unknown): void {
  const parsed = schema && safeParse(zodOf(schema), body);
  if (parsed && !parsed.success) {
    throw new PerdureError("upstream.rejected", `The answer to ${name} is not what it declares.`, { findings: findingsOf(parsed.error).slice(0, 20) });
  }
}

function findingsOf(error: z.ZodError): Finding[] {
  return error.issues.map((issue) => ({ code: "input.invalid", message: issue.message, path: issue.path.map(String).join(".") }));
}

function rendered(compiled: Compiled, inputs: JsonObject): Json {
  return evaluate(compiled, { input: null, inputs, variables: {}, run: {}, errors: {}, node: () => ({ state: "absent" }) }).value;
}

/** What is filled in stays one piece of the path or query: it can lead to no other host and no other folder. */
function urlOf({ url, origin }: CompiledCustomNode, inputs: JsonObject): string {
  const text = String(rendered(url, encoded(inputs) as JsonObject));
  const [path = ""] = text.slice(text.indexOf("//") + 2).split(/[?#]/);
  if (path.split("/").some((piece) => /^(?:\.|%2e){1,2}$/i.test(piece)) || URL.parse(text)?.origin !== origin) {
    throw new PerdureError("validation.failed", "The URL would lead elsewhere than the node type declares.");
  }
  return text;
}

function encoded(value: Json): Json {
  if (typeof value === "string") return encodeURIComponent(value.toWellFormed());
  if (Array.isArray(value)) return value.map(encoded);
  return isObject(value) ? Object.fromEntries(Object.entries(value as JsonObject).map(([key, inner]) => [key, encoded(inner)])) : value;
}

function withoutNulls(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}
