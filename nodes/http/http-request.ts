import { parseDuration, PerdureError, upstreamFailure } from "#core";
import { z } from "zod";
import { type ActivityContext, type ActivityServices, defineNode } from "../define.ts";
import { HTTP_CREDENTIALS, proofFor } from "../credential-types.ts";
import { credentialId, duration, flag, record, text, word } from "../inputs.ts";
import { authenticate, authSchema } from "./authentication.ts";
import { refusalText } from "./refusal.ts";
import { headerSafe, makeBody, makeUrl, readBody } from "./wire.ts";

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
const SENDS_BODY: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);
/** How much of an error answer goes into the failure's message, in characters. */
const EXCERPT = 300;

export const httpRequestInputs = z.object({
  method: word("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS").default("GET").describe("HTTP method."),
  url: text().describe("Where to, with http or https."),
  headers: z.record(z.string(), text()).default({}).describe("Headers by name."),
  query: record().default({}).describe("Query parameters, added to those of the URL; a list repeats its name."),
  body: z.unknown().optional().describe("Text as it is, anything else as JSON. Without it POST, PUT and PATCH send what arrives."),
  timeout: duration().default("30s").describe("The whole exchange, redirects included; 5 minutes at most."),
  follow_redirects: flag().default(true).describe("Each target is checked like the first."),
  verify_tls: flag().default(true).describe("Refuse certificates that cannot be trusted."),
  response_type: word("auto", "json", "text", "binary").default("auto").describe("How the answer's body is read; `auto` goes by its content type."),
  fail_on_status: flag().default(true).describe("A status of 400 or more is a failure."),
  auth: authSchema.optional().describe("`{type: bearer, token}`, `{type: basic, username, password}` or `{type: api_key, name, value, in}`."),
  credential: credentialId().describe("Id of a credential that proves who sends it, instead of `auth`."),
  enable_templating: flag().default(true).describe("Off takes every input as it stands."),
});

const httpRequestOutputs = z.object({
  status: z.number().int().describe("HTTP status."),
  headers: z.record(z.string(), z.string()).describe("Headers of the answer, names in lower case."),
  body: z.unknown().describe("JSON where it is JSON, text where it is text, else `{encoding: base64, content_type, data}`."),
  elapsed_ms: z.number().describe("Milliseconds from sending to the last byte."),
});

export default defineNode({
  kind: "activity",
  type: "HttpRequest",
  aliases: ["http_request", "HttpRequestNode", "HTTPRequest"],
  category: "tools",
  displayName: "HTTP request",
  description: "Sends one HTTP request and hands on the answer. Private networks are out of reach unless the operator allows them.",
  inputs: httpRequestInputs,
  inputAliases: {
    params: "query",
    query_params: "query",
    data: "body",
    payload: "body",
    json: "body",
    verify_ssl: "verify_tls",
    ssl_verify: "verify_tls",
    timeout_seconds: "timeout",
    authentication: "auth",
    credential_id: "credential",
    credentials: "credential",
  },
  outputs: httpRequestOutputs,
  outputAliases: { status_code: "status", response: "body" },
  dialects: { credential: "literal" },
  fixedInputs: ["credential"],
  credentials: { credential: HTTP_CREDENTIALS },
  templatingSwitch: "enable_templating",
  confidential: ["auth.token", "auth.password", "auth.value"],
  policy: { timeout: "5m" },
  effect: "at_least_once",
  run: async (inputs, context) => ({ value: await sendHttpRequest(inputs, context) }),
});

/** What is needed of an attempt to send its request. */
export interface HttpRequestContext extends Pick<ActivityContext, "input" | "tenantId" | "idempotencyKey" | "credentials" | "signal"> {
  readonly services: Pick<ActivityServices, "http">;
}

/**
 * Sends the request and reads the answer: the node's output.
 * @throws PerdureError `validation.failed`, `configuration.invalid`; `outbound.refused`, `network.*`, `output.too_large`, `upstream.*`, `credential.rejected`.
 */
export async function sendHttpRequest(
  inputs: z.output<typeof httpRequestInputs>,
  { input, tenantId, idempotencyKey, credentials, services, signal }: HttpRequestContext,
): Promise<z.output<typeof httpRequestOutputs>> {
  const headers = new Map(Object.entries(inputs.headers).map(([name, value]) => [name.toLowerCase(), value]));
  const url = makeUrl(inputs.url, inputs.query);
  if (inputs.auth) authenticate(inputs.auth, headers, url);
  if (credentials["credential"]) {
    if (inputs.auth && inputs.auth.type !== "none") throw new PerdureError("configuration.invalid", "Give either `credential` or `auth`, not both.");
    const proof = proofFor(credentials["credential"], url);
    for (const [name, value] of Object.entries(proof.headers)) headers.set(name, value);
    for (const [name, value] of Object.entries(proof.query)) url.searchParams.set(name, value);
  }
  const given = inputs.body ?? (SENDS_BODY.has(inputs.method) ? input : undefined);
  const body = given === undefined || given === null ? undefined : makeBody(given, headers);
  if (!SAFE_METHODS.has(inputs.method) && !headers.has("idempotency-key")) headers.set("idempotency-key", headerSafe(idempotencyKey));

  const sentAt = Date.now();
  const response = await services.http.request(
    {
      tenantId,
      method: inputs.method,
      url: url.href,
      headers: Object.fromEntries(headers),
      ...(body !== undefined && { body }),
      timeoutMs: parseDuration(inputs.timeout) ?? 30_000,
      followRedirects: inputs.follow_redirects,
      verifyTls: inputs.verify_tls,
    },
    signal,
  );
  const elapsedMs = Date.now() - sentAt;
  if (inputs.fail_on_status && response.status >= 400) {
    const excerpt = new TextDecoder()
      .decode(response.body.subarray(0, EXCERPT * 4))
      .slice(0, EXCERPT)
      .trim();
    const said = refusalText(inputs.method, url, response.status, excerpt);
    throw upstreamFailure(response.status, said, response.headers, Date.now());
  }
  return { status: response.status, headers: response.headers, body: readBody(response, inputs.response_type), elapsed_ms: elapsedMs };
}
