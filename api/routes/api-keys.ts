import { SCOPES, may } from "#contract";
import { PerdureError, uuidv7 } from "#core";
import type { ApiKey } from "#db";
import { etagOf, expectedRevision } from "../etag.ts";
import type { Handlers } from "../mount.ts";
import { pageHeadersOf, toPage } from "../paging.ts";
import { notFound } from "../problem.ts";
import { newApiKey } from "../security/api-keys.ts";
import type { Principal } from "../security/principal.ts";
import type { Services } from "../services.ts";

export function apiKeyHandlers({ db: { apiKeys }, settings }: Services): Handlers<"listApiKeys" | "createApiKey" | "getApiKey" | "revokeApiKey"> {
  return {
    async listApiKeys({ query, principal, c }) {
      const page = await apiKeys.list(principal.tenantId, visibleTo(principal), toPage(query));
      return { status: 200, body: page.rows.map(keyJson), headers: pageHeadersOf(c, page) };
    },

    async createApiKey({ body, principal }) {
      const { tenantId, role, userId } = principal;
      const scopes = body.scopes ?? SCOPES.filter((scope) => may(role, scope));
      const expiresAt = body.expires_at == null ? null : new Date(body.expires_at);
      const findings = [
        ...scopes.flatMap((scope, at) =>
          may(role, scope) ? [] : [{ code: "validation.scope", message: `is more than the role "${role}" may`, path: `scopes.${at}` }],
        ),
        ...(expiresAt && expiresAt.getTime() <= Date.now() ? [{ code: "validation.past", message: "is in the past", path: "expires_at" }] : []),
      ];
      if (findings.length > 0) throw new PerdureError("validation.failed", "The request is not valid.", { findings });
      const { key, ...stored } = newApiKey();
      const made = { ...stored, id: uuidv7(), createdBy: userId, name: body.name, scopes: [...new Set(scopes)], expiresAt };
      const created = await apiKeys.create(tenantId, made, settings.API_KEYS_MAX);
      return { status: 201, body: { ...keyJson(created), key }, headers: { etag: etagOf(created) } };
    },

    async getApiKey({ params, principal }) {
      const found = await apiKeys.get(principal.tenantId, params.id, visibleTo(principal));
      if (!found) throw notFound("API key");
      return { status: 200, body: keyJson(found), headers: { etag: etagOf(found) } };
    },

    async revokeApiKey({ params, headers, principal }) {
      const revoked = await apiKeys.revoke(principal.tenantId, params.id, visibleTo(principal), expectedRevision(headers["if-match"]));
      if (!revoked) throw notFound("API key");
      return { status: 204, body: undefined };
    },
  };
}

/** An admin deals with the keys of all, others with their own. */
function visibleTo({ role, userId }: Principal): { createdBy?: string } {
  return may(role, "member.manage") ? {} : { createdBy: userId };
}

function keyJson(key: ApiKey) {
  return {
    id: key.id,
    name: key.name,
    prefix: key.prefix,
    scopes: key.scopes,
    created_by: key.createdBy,
    created_at: key.createdAt.toISOString(),
    expires_at: key.expiresAt?.toISOString() ?? null,
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
    revoked_at: key.revokedAt?.toISOString() ?? null,
  };
}
