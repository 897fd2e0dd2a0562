import { z } from "@hono/zod-openapi";
import { SCOPES } from "./permissions.ts";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { id, idParam, ifMatch, pageHeaders, pageQuery, timestamp, trimmedText, withEtag } from "./values.ts";

const tags = ["api-keys"];
const base = "/api/v1/api-keys";
const byId = z.object({ id: idParam });

export const apiKey = z
  .object({
    id,
    name: z.string(),
    prefix: z.string().openapi({ description: "The first characters of the key.", example: "pk_x8Kq2mZ1" }),
    scopes: z.array(z.string()).openapi({ description: "What the key may do, as far as its creator's role may still do it." }),
    created_by: id,
    created_at: timestamp,
    expires_at: timestamp.nullable(),
    last_used_at: timestamp.nullable().openapi({ description: "Right to some ten seconds." }),
    revoked_at: timestamp.nullable(),
  })
  .openapi("ApiKey");

export const newApiKey = apiKey.extend({ key: z.string().openapi({ description: "The key itself. It is shown this once." }) }).openapi("NewApiKey");

export const apiKeyRoutes = {
  listApiKeys: defineRoute({
    method: "get",
    path: base,
    operationId: "listApiKeys",
    summary: "List API keys",
    description: "One's own; an admin sees those of all members. Revoked and expired ones stay in the list.",
    tags,
    access: needs("api_key.manage"),
    problems: [400, 422],
    request: { query: pageQuery },
    responses: { 200: { ...jsonReply("One page.", z.array(apiKey)), headers: pageHeaders } },
  }),
  createApiKey: defineRoute({
    method: "post",
    path: base,
    operationId: "createApiKey",
    rules: "`expires_at` is in the future.",
    summary: "Make an API key",
    description: "Send it as `Authorization: Bearer pk_…` or `X-API-Key: pk_…`. The answer shows the key, nothing later does.",
    tags,
    access: needs("api_key.manage"),
    problems: [400, 409, 413, 422],
    request: {
      body: jsonBody(
        z
          .object({
            name: trimmedText(200),
            scopes: z.array(z.enum(SCOPES)).min(1).optional().openapi({ description: "Permissions. Left out: all that the creator's role and keys may have." }),
            expires_at: timestamp.nullish().openapi({ description: "Left out or null: never." }),
          })
          .openapi("ApiKeyRequest", { example: { name: "Nightly reports", scopes: ["run.start", "run.read"], expires_at: "2099-01-01T00:00:00Z" } }),
      ),
    },
    responses: { 201: { ...jsonReply("The key.", newApiKey), ...withEtag } },
  }),
  getApiKey: defineRoute({
    method: "get",
    path: `${base}/{id}`,
    operationId: "getApiKey",
    summary: "Read one",
    tags,
    access: needs("api_key.manage"),
    problems: [404],
    request: { params: byId },
    responses: { 200: { ...jsonReply("The key, without the key itself.", apiKey), ...withEtag } },
  }),
  revokeApiKey: defineRoute({
    method: "delete",
    path: `${base}/{id}`,
    operationId: "revokeApiKey",
    summary: "Revoke an API key",
    description: "Processes that have just seen the key take it for ten seconds more.",
    tags,
    access: needs("api_key.manage"),
    problems: [404, 412, 422],
    request: { params: byId, headers: ifMatch },
    responses: { 204: { description: "It opens nothing any more." } },
  }),
};
