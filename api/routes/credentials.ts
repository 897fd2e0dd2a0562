import { z } from "@hono/zod-openapi";
import type { CredentialJson } from "#contract/credentials.ts";
import { isObject, type JsonObject, PerdureError, type TenantId, uuidv7 } from "#core";
import { checkValues, type CheckedValues, probeCredential, refuseWiderReach } from "#credentials";
import type { Credential, SealedCredential } from "#db";
import { networkFailure } from "#integrations/http";
import { CREDENTIAL_TYPES, credentialType, type CredentialType, type CredentialValues } from "#nodes";
import { etagOf, expectedRevision } from "../etag.ts";
import type { Handlers } from "../mount.ts";
import { pageHeadersOf, toPage } from "../paging.ts";
import { notFound } from "../problem.ts";
import type { Services } from "../services.ts";

type CredentialRoute =
  | "listCredentialTypes"
  | "listCredentials"
  | "createCredential"
  | "getCredential"
  | "replaceCredential"
  | "updateCredential"
  | "deleteCredential"
  | "testCredential"
  | "getCredentialUsage";

interface Written {
  type?: string | null | undefined;
  service_type?: string | null | undefined;
  data?: Record<string, unknown> | null | undefined;
  secret?: string | null | undefined;
}

const OPENAI = "https://api.openai.com/v1";
const TYPES = CREDENTIAL_TYPES.map((type) => ({
  type: type.type,
  display_name: type.displayName,
  description: type.description,
  aliases: [...type.aliases],
  json_schema: z.toJSONSchema(type.schema, { io: "input" }) as JsonObject,
}));

export function credentialHandlers({ db: { credentials: rows }, credentials, http, settings }: Services): Handlers<CredentialRoute> {
  async function sealedRow(tenant: TenantId, id: string): Promise<SealedCredential> {
    const [row] = await rows.sealed(tenant, [id]);
    if (!row) throw notFound("credential");
    return row;
  }

  /** Seals new values in place of those of `row`. */
  async function replaceValues(
    tenant: TenantId,
    row: SealedCredential,
    fields: { name?: string; description?: string },
    { type, values }: CheckedValues,
    expected: number | undefined,
  ) {
    const sealed = await credentials.seal(tenant, row.id, values);
    return rows.update(tenant, row.id, fields, { type: type.type, fields: Object.keys(values), ...sealed, before: row.sealed }, expected);
  }

  const shown = (credential: Credential | undefined) => {
    if (!credential) throw notFound("credential");
    return { status: 200 as const, body: toJson(credential), headers: { etag: etagOf(credential) } };
  };

  return {
    listCredentialTypes: () => ({ status: 200, body: TYPES }),

    async listCredentials({ query, principal, c }) {
      const wanted = query.type ?? query.service_type;
      const filter = {
        order: query.sort,
        ...(wanted !== undefined && { type: credentialType(wanted)?.type ?? wanted }),
        ...(query.search && { search: query.search }),
      };
      const page = await rows.list(principal.tenantId, filter, toPage(query));
      return { status: 200, body: page.rows.map(toJson), headers: pageHeadersOf(c, page) };
    },

    async createCredential({ body, principal }) {
      const { tenantId } = principal;
      const { type, values } = checkValues(typeNamed(body), dataOf(body, typeNamed(body)), settings.CREDENTIAL_MAX_BYTES);
      const id = uuidv7();
      const created = await rows.create(
        tenantId,
        {
          id,
          name: body.name,
          description: body.description ?? "",
          type: type.type,
          fields: Object.keys(values),
          createdBy: principal.userId,
          ...(await credentials.seal(tenantId, id, values)),
        },
        settings.CREDENTIALS_MAX,
      );
      return { status: 201, body: toJson(created), headers: { etag: etagOf(created) } };
    },

    getCredential: async ({ params, principal }) => shown(await rows.get(principal.tenantId, params.id)),

    async replaceCredential({ params, headers, body, principal }) {
      const expected = expectedRevision(headers["if-match"]);
      const row = await sealedRow(principal.tenantId, params.id);
      const fields = { name: body.name, ...(body.description != null && { description: body.description }) };
      const type = body.type ?? body.service_type ?? row.type;
      if (!body.data && !body.secret) {
        if (credentialType(type)?.type !== row.type) throw needsData();
        return shown(await rows.update(principal.tenantId, params.id, fields, undefined, expected));
      }
      const checked = checkValues(type, dataOf(body, type), settings.CREDENTIAL_MAX_BYTES);
      return shown(await replaceValues(principal.tenantId, row, fields, checked, expected));
    },

    async updateCredential({ params, headers, body, principal }) {
      const expected = expectedRevision(headers["if-match"]);
      const { tenantId } = principal;
      const row = await sealedRow(tenantId, params.id);
      const fields = { ...(body.name != null && { name: body.name }), ...(body.description != null && { description: body.description }) };
      if (!body.data && !body.secret) return shown(await rows.update(tenantId, params.id, fields, undefined, expected));
      const before = await credentials.open(tenantId, row);
      const sent = dataOf(body, row.type);
      const checked = checkValues(row.type, { ...before, ...sent }, settings.CREDENTIAL_MAX_BYTES);
      refuseWiderReach(checked, before, sent);
      return shown(await replaceValues(tenantId, row, fields, checked, expected));
    },

    async deleteCredential({ params, headers, query, principal }) {
      const expected = expectedRevision(headers["if-match"]);
      const options = { force: query.force ?? false, ...(expected !== undefined && { expectedRevision: expected }) };
      if (!(await rows.remove(principal.tenantId, params.id, options))) throw notFound("credential");
      return { status: 204, body: undefined };
    },

    async testCredential({ params, body, principal }) {
      const { tenantId } = principal;
      const row = await sealedRow(tenantId, params.id);
      const values = await credentials.open(tenantId, row);
      const send = sender(tenantId, row.type, values, body?.url ?? undefined);
      const result = await probeCredential(
        { type: row.type, values },
        {
          send,
          url: body?.url ?? undefined,
          defaults: { openaiBaseUrl: settings.OPENAI_BASE_URL ?? OPENAI },
          timeoutMs: settings.CREDENTIAL_TEST_TIMEOUT_MS,
        },
      );
      await rows.noteTest(tenantId, params.id, row.sealed, result);
      return { status: 200, body: { valid: result.verdict === "valid", ...result, tested_at: new Date().toISOString() } };
    },

    async getCredentialUsage({ params, principal }) {
      if (!(await rows.get(principal.tenantId, params.id))) throw notFound("credential");
      const uses = await rows.usage(principal.tenantId, params.id);
      return {
        status: 200,
        body: uses.map((use) => ({
          workflow_id: use.workflowId,
          workflow_name: use.workflowName,
          versions: use.versions,
          is_current: use.isCurrent,
          is_published: use.isPublished,
          open_runs: use.openRuns,
        })),
      };
    },
  };

  /** The operator's own model server is reached wherever it is; what a member names goes through the guard. */
  function sender(tenant: TenantId, type: string, values: CredentialValues, url: string | undefined) {
    const isOperators = type === "openai" && values["base_url"] === undefined && url === undefined;
    const trustedOrigin = isOperators && settings.OPENAI_BASE_URL ? URL.parse(settings.OPENAI_BASE_URL)?.origin : undefined;
    const send = http.guardedFetch(tenant, trustedOrigin === undefined ? {} : { trustedOrigin });
    return (target: string, init: RequestInit): Promise<Response> =>
      send(target, init).catch((error: unknown) => {
        throw networkFailure(error, URL.parse(target)?.host ?? "");
      });
  }
}

function typeNamed({ type, service_type: serviceType }: Written): string {
  const named = type ?? serviceType;
  if (named) return named;
  throw new PerdureError("validation.failed", "The request is not valid.", {
    findings: [{ code: "validation.required", message: "names the type of the credential", path: "type" }],
  });
}

/** `secret` stands for the one secret field of the type. */
function dataOf({ data, secret }: Written, type: string): Record<string, unknown> {
  if (data) return data;
  if (!secret) throw needsData();
  const field = secretField(credentialType(type));
  if (field !== undefined) return { [field]: secret };
  throw new PerdureError("validation.failed", "The request is not valid.", {
    findings: [{ code: "validation.secret", message: `credentials of type ${type} have more than one field; send them as data`, path: "secret" }],
  });
}

function secretField(type: CredentialType | undefined): string | undefined {
  const schema = TYPES.find((each) => each.type === type?.type)?.json_schema;
  const required = Array.isArray(schema?.["required"]) ? schema["required"] : [];
  const [field, ...others] = required;
  return type?.type === "generic" ? "secret" : typeof field === "string" && others.length === 0 && isObject(schema?.["properties"]) ? field : undefined;
}

function needsData(): PerdureError {
  return new PerdureError("validation.failed", "The request is not valid.", {
    findings: [{ code: "validation.required", message: "holds the credential's values", path: "data" }],
  });
}

function toJson(credential: Credential): CredentialJson {
  return {
    id: credential.id,
    name: credential.name,
    type: credential.type,
    service_type: credential.type,
    description: credential.description,
    fields: credential.fields,
    created_by: credential.createdBy,
    created_at: credential.createdAt.toISOString(),
    updated_at: credential.updatedAt.toISOString(),
    last_test: credential.testedAt && credential.testResult ? { at: credential.testedAt.toISOString(), ...credential.testResult } : null,
  };
}
