import { z } from "@hono/zod-openapi";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { flagQuery, id, idParam, ifMatch, jsonObject, pageHeaders, pageQuery, timestamp, trimmedText, withEtag } from "./values.ts";

const tags = ["credentials"];
const base = "/api/v1/credentials";

const name = trimmedText(100);
const type = trimmedText(50).openapi({ example: "http_bearer" });
const description = z.string().max(1_000);
const data = z.record(z.string().max(100), z.unknown()).openapi({
  type: "object",
  additionalProperties: true,
  description: "Values by field, as the type's schema says (`GET /api/v1/credentials/types`). Never returned.",
});

const optionalData = data.nullish().openapi({ type: ["object", "null"] });

export const credentialType = z
  .object({
    type: z.string(),
    display_name: z.string(),
    description: z.string(),
    aliases: z.array(z.string()).openapi({ description: "Names that are taken for it, in any letter case." }),
    json_schema: jsonObject.openapi({ description: "Of `data`." }),
  })
  .openapi("CredentialType");

const verdict = z.enum(["valid", "invalid", "unknown"]).openapi({ description: "`unknown`: the provider did not say, or could not be reached." });

export const credential = z
  .object({
    id,
    name: z.string(),
    type: z.string(),
    service_type: z.string().openapi({ description: "The same as `type`." }),
    description: z.string(),
    fields: z.array(z.string()).openapi({ description: "Names of the fields that are set. Their values are never returned." }),
    created_by: id.nullable(),
    created_at: timestamp,
    updated_at: timestamp,
    last_test: z.object({ at: timestamp, verdict, message: z.string() }).nullable().openapi({ description: "What the newest test of these values came to." }),
  })
  .openapi("Credential");

export const credentialUsage = z
  .object({
    workflow_id: id,
    workflow_name: z.string(),
    versions: z.array(z.int()).openapi({ description: "Those that name it and may run again or still do, the newest first." }),
    is_current: z.boolean().openapi({ description: "The newest version names it." }),
    is_published: z.boolean(),
    open_runs: z.int().openapi({ description: "Runs of these versions that have not ended." }),
  })
  .openapi("CredentialUsage");

const byId = z.object({ id: idParam });

/** Documented by another name: `service_type`, and `secret` for the one field of a type. */
const written = { type: type.nullish(), service_type: type.nullish(), data: optionalData, secret: z.string().min(1).max(100_000).nullish() };

export const newCredential = z.object({ name, description: description.nullish(), ...written }).openapi("NewCredential", {
  example: { name: "Search", type: "http_bearer", data: { token: "t-4711" } },
  description: "`type` (or `service_type`), and `data` (or `secret`: the one secret field of the type).",
});

const replacement = z.object({ name, description: description.nullish(), ...written }).openapi("CredentialReplacement");

const changes = z
  .object({
    name: name.nullish(),
    description: description.nullish(),
    data: optionalData.openapi({ description: "Fields to set; null takes one away. Those left out stay as they are." }),
    secret: written.secret,
  })
  .openapi("CredentialChanges");

export const credentialRoutes = {
  listCredentialTypes: defineRoute({
    method: "get",
    path: `${base}/types`,
    operationId: "listCredentialTypes",
    summary: "List the types of credentials",
    tags,
    access: needs("credential.read"),
    responses: { 200: jsonReply("Every type with the JSON schema of its fields.", z.array(credentialType)) },
  }),
  listCredentials: defineRoute({
    method: "get",
    path: base,
    operationId: "listCredentials",
    summary: "List the organization's credentials",
    tags,
    access: needs("credential.read"),
    problems: [400, 422],
    request: {
      query: pageQuery.extend({
        type: type.optional(),
        service_type: type.optional(),
        search: z.string().max(200).optional(),
        sort: z.enum(["created_at", "-created_at", "name", "-name"]).default("-created_at"),
      }),
    },
    responses: { 200: { ...jsonReply("One page, the newest first unless asked otherwise; without any value.", z.array(credential)), headers: pageHeaders } },
  }),
  createCredential: defineRoute({
    method: "post",
    path: base,
    operationId: "createCredential",
    rules: "`data` fits the JSON schema of the type, or `secret` stands in for its one secret field.",
    summary: "Store a credential",
    description: "Sealed with a key of the organization; no answer ever shows a value. Graphs name it by its id.",
    tags,
    access: needs("credential.write"),
    problems: [400, 409, 413, 422],
    request: { body: jsonBody(newCredential) },
    responses: { 201: { ...jsonReply("The credential, without its values.", credential), ...withEtag } },
  }),
  getCredential: defineRoute({
    method: "get",
    path: `${base}/{id}`,
    operationId: "getCredential",
    summary: "Read what a credential is",
    tags,
    access: needs("credential.read"),
    problems: [404],
    request: { params: byId },
    responses: { 200: { ...jsonReply("The credential, without its values.", credential), ...withEtag } },
  }),
  replaceCredential: defineRoute({
    method: "put",
    path: `${base}/{id}`,
    operationId: "replaceCredential",
    rules: "`data` fits the JSON schema of the type, or `secret` stands in for its one secret field.",
    summary: "Replace a credential's values",
    description: "The type stays unless another is named. Without `data` and `secret` only name and description change.",
    tags,
    access: needs("credential.write"),
    problems: [400, 404, 409, 412, 413, 422],
    request: { params: byId, headers: ifMatch, body: jsonBody(replacement) },
    responses: { 200: { ...jsonReply("The credential, without its values.", credential), ...withEtag } },
  }),
  updateCredential: defineRoute({
    method: "patch",
    path: `${base}/{id}`,
    operationId: "updateCredential",
    rules: "`data`, with what is stored, fits the JSON schema of the type. Where other hosts are to get the credential, it holds the secret fields.",
    summary: "Change some of a credential",
    tags,
    access: needs("credential.write"),
    problems: [400, 404, 409, 412, 413, 422],
    request: { params: byId, headers: ifMatch, body: jsonBody(changes) },
    responses: { 200: { ...jsonReply("The credential, without its values.", credential), ...withEtag } },
  }),
  deleteCredential: defineRoute({
    method: "delete",
    path: `${base}/{id}`,
    operationId: "deleteCredential",
    summary: "Delete a credential for good",
    description: "Refused (409, with the workflows in `errors[]`) while a workflow or an open run uses it, unless `force=true`; their nodes then fail.",
    tags,
    access: needs("credential.write"),
    problems: [404, 409, 412, 422],
    request: { params: byId, headers: ifMatch, query: z.object({ force: flagQuery.optional() }) },
    responses: { 204: { description: "It is gone." } },
  }),
  testCredential: defineRoute({
    method: "post",
    path: `${base}/{id}/test`,
    operationId: "testCredential",
    rules: "the type, `url` or the field `test_url` says whom to ask.",
    summary: "Ask the provider whether it takes a credential",
    description: "One GET that costs nothing, to the type's provider or to `url` (else the field `test_url`). 2xx says valid, 401 and 403 say invalid.",
    tags,
    access: needs("credential.write"),
    problems: [400, 404, 413, 422],
    request: { params: byId, body: jsonBody(z.object({ url: z.string().max(2_000).nullish() }).openapi("CredentialTest"), false) },
    responses: {
      200: jsonReply("What it came to.", z.object({ valid: z.boolean(), verdict, message: z.string(), tested_at: timestamp }).openapi("CredentialTestResult")),
    },
  }),
  getCredentialUsage: defineRoute({
    method: "get",
    path: `${base}/{id}/usage`,
    operationId: "getCredentialUsage",
    summary: "See which workflows use a credential",
    description: "Their newest and published versions, and those of open runs.",
    tags,
    access: needs("credential.read"),
    problems: [404],
    request: { params: byId },
    responses: { 200: jsonReply("The workflows, by name.", z.array(credentialUsage)) },
  }),
};

export type CredentialJson = z.input<typeof credential>;
