import type { Routes } from "#contract";
import type { NodeCategoryJson, NodeTypeJson } from "#contract/nodes.ts";
import { type Finding, type JsonObject, PerdureError } from "#core";
import type { CustomNode } from "#db";
import { CUSTOM_PREFIX, type CustomNodeDefinition, credentialType, customNodeFindings } from "#nodes";
import { etagOf, expectedRevision } from "../etag.ts";
import type { Handlers, Request } from "../mount.ts";
import { describeCustomNode } from "../node-registry.ts";
import { listPage, pageHeadersOf, toPage } from "../paging.ts";
import { notFound } from "../problem.ts";
import { MASKED_NAME, snakeCase } from "../secret-names.ts";
import type { Services } from "../services.ts";

type NodeRoute = "listNodes" | "listNodeCategories" | "getNode" | "registerNode" | "replaceNode" | "deleteNode" | "listNodeVersions";
type Written = Request<Routes["replaceNode"]>["body"];

export function nodeHandlers({ nodes, db: { customNodes }, settings }: Services): Handlers<NodeRoute> {
  const shown = (node: CustomNode | undefined) => {
    if (!node) throw notFound("node type");
    return { body: describeCustomNode(node), headers: { etag: etagOf(node) } };
  };

  return {
    async listNodes({ query, principal, c }) {
      const own = query.custom === false ? [] : (await customNodes.list(principal.tenantId)).map(describeCustomNode);
      const product = query.custom === true ? [] : nodes.list();
      const search = query.search?.toLowerCase();
      const found: NodeTypeJson[] = [...product, ...own]
        .filter((node) => query.category === undefined || node.category === query.category)
        .filter((node) => search === undefined || [node.name, node.display_name, node.description].some((text) => text.toLowerCase().includes(search)));
      const page = listPage(found, { ...query, limit: query.limit ?? Math.max(1, found.length) });
      return { status: 200, body: page.rows, headers: pageHeadersOf(c, page) };
    },

    async listNodeCategories({ principal }) {
      const own = (await customNodes.list(principal.tenantId)).map(describeCustomNode);
      const categories = nodes.categories().map((category) => withOwn(category, own));
      const known = new Set(categories.map(({ name }) => name));
      const added = [...new Set(own.map(({ category }) => category))].filter((name) => !known.has(name));
      const all = [...categories, ...added.map((name) => withOwn({ name, count: 0, nodes: [] }, own))];
      return { status: 200, body: all.toSorted((a, b) => a.name.localeCompare(b.name, "en")) };
    },

    async getNode({ params, principal }) {
      if (isCustom(params.type)) return { status: 200, ...shown(await customNodes.get(principal.tenantId, nameOf(params.type))) };
      const node = nodes.get(params.type);
      if (!node) throw notFound("node type");
      return { status: 200, body: node };
    },

    async registerNode({ body, principal }) {
      const definition = definitionOf(body, nameOf(body.name), settings.CUSTOM_NODE_MAX_BYTES);
      const node = { name: nameOf(body.name), definition: definition as unknown as JsonObject, createdBy: principal.userId };
      return { status: 201, ...shown(await customNodes.register(principal.tenantId, node, settings.CUSTOM_NODES_MAX)) };
    },

    async replaceNode({ params, headers, body, principal }) {
      const name = nameOf(params.type);
      if (!isCustom(params.type) && nodes.get(params.type))
        throw new PerdureError("resource.conflict", "Node types that come with the product cannot be changed.");
      if (body.name && nameOf(body.name) !== name) throw invalid([{ code: "validation.name", message: "cannot be changed", path: "name" }]);
      if (!(await customNodes.get(principal.tenantId, name))) throw notFound("node type");
      const definition = definitionOf(body, name, settings.CUSTOM_NODE_MAX_BYTES) as unknown as JsonObject;
      const node = { definition, createdBy: principal.userId };
      return { status: 200, ...shown(await customNodes.update(principal.tenantId, name, node, expectedRevision(headers["if-match"]))) };
    },

    async deleteNode({ params, headers, principal }) {
      if (!(await customNodes.remove(principal.tenantId, nameOf(params.type), expectedRevision(headers["if-match"])))) throw notFound("node type");
      return { status: 204, body: undefined };
    },

    async listNodeVersions({ params, query, principal, c }) {
      const page = await customNodes.versions(principal.tenantId, nameOf(params.type), toPage(query));
      if (!page) throw notFound("node type");
      const rows = page.rows.map(({ version, definition, createdBy, createdAt }) => ({
        version,
        definition,
        created_by: createdBy,
        created_at: createdAt.toISOString(),
      }));
      return { status: 200, body: rows, headers: pageHeadersOf(c, page) };
    },
  };
}

const isCustom = (type: string): boolean => type.startsWith(CUSTOM_PREFIX);
const nameOf = (type: string): string => (isCustom(type) ? type.slice(CUSTOM_PREFIX.length) : type);

function withOwn(category: NodeCategoryJson, own: readonly NodeTypeJson[]): NodeCategoryJson {
  const added = own.filter((node) => node.category === category.name).map(({ name }) => name);
  if (added.length === 0) return category;
  const listed = Array.isArray(category["nodes"]) ? (category["nodes"] as string[]) : [];
  return { ...category, count: listed.length + added.length, nodes: [...listed, ...added] };
}

/** @throws PerdureError `validation.failed` with everything that is wrong. */
function definitionOf(body: Written, name: string, maxBytes: number): CustomNodeDefinition {
  const { request } = body;
  const types = (body.credential_types ?? []).map((type) => credentialType(type)?.type ?? type);
  const definition: CustomNodeDefinition = {
    display_name: body.display_name ?? name,
    description: body.description ?? "",
    category: body.category ?? "custom",
    input_schema: body.input_schema ?? { type: "object", properties: {} },
    ...(body.output_schema && { output_schema: body.output_schema }),
    request: {
      method: request.method,
      url: request.url,
      headers: request.headers,
      query: request.query,
      ...(request.body !== undefined && { body: request.body }),
      timeout: request.timeout,
      follow_redirects: request.follow_redirects,
      response_type: request.response_type,
    },
    credential_types: [...new Set(types)],
  };
  const findings = [...customNodeFindings(definition), ...secretFindings(definition)];
  for (const [at, type] of types.entries()) {
    if (!credentialType(type))
      findings.push({ code: "credential.type", message: `there is no type of credentials called ${type}`, path: `credential_types.${at}` });
  }
  if (Buffer.byteLength(JSON.stringify(definition)) > maxBytes) {
    findings.push({ code: "validation.too_big", message: `The definition has more than ${maxBytes} bytes (CUSTOM_NODE_MAX_BYTES).` });
  }
  if (findings.length > 0) throw invalid(findings);
  return definition;
}

/** A definition is shown to every member: a secret that is written out in it is refused. */
function secretFindings({ request: { headers, query } }: CustomNodeDefinition): Finding[] {
  const written = [...Object.entries(headers).map((each) => ["headers", ...each]), ...Object.entries(query).map((each) => ["query", ...each])];
  return written
    .filter(([, name, value]) => MASKED_NAME.test(snakeCase(String(name))) && typeof value === "string" && !value.includes("{{"))
    .map(([part, name]) => ({
      code: "secret.written_out",
      message: "holds a secret that everybody would see",
      path: `request.${String(part)}.${String(name)}`,
      hint: "Name `credential_types` and let nodes name a credential, or declare an input.",
    }));
}

function invalid(findings: Finding[]): PerdureError {
  return new PerdureError("validation.failed", "The node type is not valid.", { findings });
}
