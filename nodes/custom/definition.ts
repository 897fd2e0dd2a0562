import { type Finding, isObject, type Json, type JsonObject, parseDuration } from "#core";
import { type Compiled, compileOwnTemplates } from "#graph";
import { schemaFindings } from "./schemas.ts";

/** How graphs name a custom node type: apart from all that comes with the product, now or later. */
export const CUSTOM_PREFIX = "custom.";

/** A node type as its organization has registered it; JSON as it is stored. */
export interface CustomNodeDefinition {
  display_name: string;
  description: string;
  category: string;
  /** Of an object: its properties are the inputs. */
  input_schema: JsonObject;
  /** Of the answer's body, which the node hands on. */
  output_schema?: JsonObject;
  request: CustomRequest;
  /** Types of credentials of which a node may name one; none: it takes no credential. */
  credential_types: string[];
}

/** Texts are templates over the inputs. */
export interface CustomRequest {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS";
  /** Scheme and host stand written out; what is filled in behind them is percent-encoded. */
  url: string;
  headers: Record<string, string>;
  query: JsonObject;
  body?: Json;
  timeout: string | number;
  follow_redirects: boolean;
  response_type: "auto" | "json" | "text" | "binary";
}

/** What plans hold of it: all that a run needs, whatever becomes of the node type. */
export interface CompiledCustomNode {
  name: string;
  version: number;
  method: CustomRequest["method"];
  origin: string;
  url: Compiled;
  headers: Compiled;
  query: Compiled;
  body?: Compiled;
  timeout: string | number;
  follow_redirects: boolean;
  response_type: CustomRequest["response_type"];
  input_schema: JsonObject;
  output_schema?: JsonObject;
}

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
/** Set by the client that sends the request. */
const NOT_OURS = new Set(["host", "content-length", "connection", "transfer-encoding", "upgrade", "te", "trailer", "keep-alive"]);
/** Names that mean something else at every node. */
const TAKEN_INPUTS = new Set(["credential", "credentials", "credential_id", "inputs", "name", "label", "config", "settings"]);
const INPUT_NAME = /^[a-z][a-z0-9_]{0,63}$/;
const MAX_TIMEOUT_MS = 300_000;

/** Everything that is wrong with a definition. */
export function customNodeFindings(definition: CustomNodeDefinition): Finding[] {
  const { input_schema: input, output_schema: output, request } = definition;
  const findings: Finding[] = [...schemaFindings(input, "input_schema"), ...(output ? schemaFindings(output, "output_schema") : [])];
  const problem = (code: string, message: string, path: string) => findings.push({ code, message, path });
  if (input["type"] !== undefined && input["type"] !== "object")
    problem("validation.schema", "is of type `object`: its properties are the inputs", "input_schema.type");
  for (const name of inputNames(input)) {
    const path = `input_schema.properties.${name}`;
    if (!INPUT_NAME.test(name)) problem("validation.name", "an input is called by small letters, digits and _", path);
    else if (TAKEN_INPUTS.has(name)) problem("validation.name", "means something else at every node", path);
  }
  if (originOf(request.url) === undefined) {
    problem("validation.url", "begins with http:// or https:// and a host that is written out, without user, password and template", "request.url");
  }
  for (const name of Object.keys(request.headers)) {
    if (!HEADER_NAME.test(name) || NOT_OURS.has(name.toLowerCase())) problem("validation.header", "is no header that can be set", `request.headers.${name}`);
  }
  const timeout = parseDuration(request.timeout);
  if (timeout === undefined || timeout > MAX_TIMEOUT_MS || timeout <= 0)
    problem("validation.duration", "is a duration of 5 minutes at most", "request.timeout");
  const declared = new Set(inputNames(input));
  for (const part of ["url", "headers", "query", "body"] as const) {
    const value = request[part];
    if (value !== undefined) findings.push(...compileOwnTemplates(value, declared, `request.${part}`).problems);
  }
  return findings;
}

/** Of a definition without findings. */
export function compileCustomNode(name: string, version: number, definition: CustomNodeDefinition): CompiledCustomNode {
  const { request, input_schema: input, output_schema: output } = definition;
  const declared = new Set(inputNames(input));
  const compiled = (value: Json): Compiled => compileOwnTemplates(value, declared, "").compiled;
  return {
    name,
    version,
    method: request.method,
    origin: originOf(request.url) ?? "",
    url: compiled(request.url),
    headers: compiled(request.headers),
    query: compiled(request.query),
    ...(request.body !== undefined && { body: compiled(request.body) }),
    timeout: request.timeout,
    follow_redirects: request.follow_redirects,
    response_type: request.response_type,
    input_schema: input,
    ...(output && { output_schema: output }),
  };
}

export function inputNames(schema: JsonObject): string[] {
  return isObject(schema["properties"]) ? Object.keys(schema["properties"]) : [];
}

/** Scheme and host of a URL, where no template reaches into them. */
function originOf(url: string): string | undefined {
  const head = /^https?:\/\/[^\s/?#{}@\\]+(?=[/?#]|$)/i.exec(url)?.[0];
  return head === undefined ? undefined : URL.parse(head)?.origin;
}
