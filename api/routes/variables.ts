import type { VariableJson } from "#contract/variables.ts";
import { type Json, PerdureError } from "#core";
import type { Variable } from "#db";
import { etagOf, expectedRevision } from "../etag.ts";
import type { Handlers } from "../mount.ts";
import { pageHeadersOf, type PageQuery, toPage } from "../paging.ts";
import { notFound } from "../problem.ts";
import { MASKED_NAME, snakeCase } from "../secret-names.ts";
import type { Principal } from "../security/principal.ts";
import type { ApiContext } from "../context.ts";
import type { Services } from "../services.ts";

type VariableRoute =
  | "listVariables"
  | "createVariable"
  | "getVariable"
  | "replaceVariable"
  | "deleteVariable"
  | "listWorkflowVariables"
  | "createWorkflowVariable"
  | "getWorkflowVariable"
  | "replaceWorkflowVariable"
  | "deleteWorkflowVariable";

interface Content {
  name?: string | null | undefined;
  value?: Json | undefined;
  type?: string | null | undefined;
  description?: string | null | undefined;
}

/** Variables of the organization (`workflowId` null) and of its workflows: the same but for where they stand. */
export function variableHandlers({ db: { variables }, settings }: Services): Handlers<VariableRoute> {
  const limits = { max: settings.VARIABLES_MAX, maxBytes: settings.VARIABLES_MAX_BYTES };
  const nameless = (workflowId: string | null) => notFound(workflowId === null ? "variable" : "workflow");

  async function list(workflowId: string | null, query: PageQuery & { search?: string | undefined }, { tenantId }: Principal, c: ApiContext) {
    const page = await variables.list(tenantId, workflowId, { ...(query.search && { search: query.search }) }, toPage(query));
    if (!page) throw notFound("workflow");
    return { status: 200 as const, body: page.rows.map(toJson), headers: pageHeadersOf(c, page) };
  }

  const checked = (name: string, { value = null, type, description }: Content, { userId }: Principal) => {
    const findings = [];
    if (type && type !== typeOf(value)) findings.push({ code: "validation.type", message: `is no ${type} but a ${typeOf(value)}`, path: "value" });
    if (Buffer.byteLength(JSON.stringify(value)) > settings.VARIABLE_MAX_BYTES) {
      findings.push({ code: "validation.too_big", message: `has more than ${settings.VARIABLE_MAX_BYTES} bytes (VARIABLE_MAX_BYTES)`, path: "value" });
    }
    if (findings.length > 0) throw new PerdureError("validation.failed", "The request is not valid.", { findings });
    return { name, value, createdBy: userId, ...(description != null && { description }) };
  };

  async function create(workflowId: string | null, body: Content & { name: string }, principal: Principal) {
    const made = await variables.set(principal.tenantId, workflowId, checked(body.name, body, principal), limits, { mustBeNew: true });
    if (!made) throw nameless(workflowId);
    return { status: 201 as const, ...shown(made.variable) };
  }

  async function get(workflowId: string | null, name: string, { tenantId }: Principal) {
    const found = await variables.get(tenantId, workflowId, name);
    if (!found) throw notFound("variable");
    return { status: 200 as const, ...shown(found) };
  }

  async function replace(workflowId: string | null, name: string, body: Content, ifMatch: string | undefined, principal: Principal) {
    if (body.name && body.name !== name) {
      const finding = { code: "validation.name", message: "cannot be changed: make another and delete this one", path: "name" };
      throw new PerdureError("validation.failed", "The request is not valid.", { findings: [finding] });
    }
    const expected = expectedRevision(ifMatch);
    const set = await variables.set(principal.tenantId, workflowId, checked(name, body, principal), limits, {
      ...(expected !== undefined && { expectedRevision: expected }),
    });
    if (!set) throw nameless(workflowId);
    return { status: set.created ? (201 as const) : (200 as const), ...shown(set.variable) };
  }

  async function remove(workflowId: string | null, name: string, ifMatch: string | undefined, { tenantId }: Principal) {
    if (!(await variables.remove(tenantId, workflowId, name, expectedRevision(ifMatch)))) throw notFound("variable");
    return { status: 204 as const, body: undefined };
  }

  return {
    listVariables: ({ query, principal, c }) => list(null, query, principal, c),
    createVariable: ({ body, principal }) => create(null, body, principal),
    getVariable: ({ params, principal }) => get(null, params.name, principal),
    replaceVariable: ({ params, headers, body, principal }) => replace(null, params.name, body, headers["if-match"], principal),
    deleteVariable: ({ params, headers, principal }) => remove(null, params.name, headers["if-match"], principal),
    listWorkflowVariables: ({ params, query, principal, c }) => list(params.id, query, principal, c),
    createWorkflowVariable: ({ params, body, principal }) => create(params.id, body, principal),
    getWorkflowVariable: ({ params, principal }) => get(params.id, params.name, principal),
    replaceWorkflowVariable: ({ params, headers, body, principal }) => replace(params.id, params.name, body, headers["if-match"], principal),
    deleteWorkflowVariable: ({ params, headers, principal }) => remove(params.id, params.name, headers["if-match"], principal),
  };
}

const shown = (variable: Variable) => ({ body: toJson(variable), headers: { etag: etagOf(variable) } });

function toJson(variable: Variable): VariableJson {
  return {
    id: variable.id,
    name: variable.name,
    value: variable.value,
    type: typeOf(variable.value),
    description: variable.description,
    scope: variable.workflowId === null ? "organization" : "workflow",
    workflow_id: variable.workflowId,
    looks_secret: typeof variable.value === "string" && MASKED_NAME.test(snakeCase(variable.name)),
    created_by: variable.createdBy,
    created_at: variable.createdAt.toISOString(),
    updated_at: variable.updatedAt.toISOString(),
  };
}

function typeOf(value: Json): VariableJson["type"] {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value as "string" | "number" | "boolean" | "object";
}
