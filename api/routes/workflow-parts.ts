import { setTimeout } from "node:timers/promises";
import { BESIDE_THE_PART } from "#contract/workflow-parts.ts";
import { type Finding, type JsonObject, PerdureError } from "#core";
import type { Paged, Workflow, WorkflowVersion } from "#db";
import { etagOf, expectedRevision } from "../etag.ts";
import { ownSettings, toVersion } from "../graphs.ts";
import type { Handlers } from "../mount.ts";
import { listPage, pageHeadersOf } from "../paging.ts";
import { notFound } from "../problem.ts";
import type { Principal } from "../security/principal.ts";
import type { Services } from "../services.ts";
import { addEdge, addNode, findEdge, findNode, merged, partsOf, removeEdge, removeNode, replaceEdge, replaceNode } from "../workflow-parts/parts.ts";
import { asGraph } from "./workflows.ts";

type PartRoute =
  | "listWorkflowNodes"
  | "addWorkflowNode"
  | "getWorkflowNode"
  | "replaceWorkflowNode"
  | "updateWorkflowNode"
  | "deleteWorkflowNode"
  | "listWorkflowEdges"
  | "addWorkflowEdge"
  | "getWorkflowEdge"
  | "replaceWorkflowEdge"
  | "deleteWorkflowEdge";

/** How often an edit is made again on what somebody else has saved meanwhile, where the caller named no state; and how long it waits before, at most. */
const ATTEMPTS = 30;
const PAUSE_MS = 50;

interface Edit {
  readonly params: { readonly id: string };
  readonly headers: { readonly "if-match"?: string | undefined };
  readonly principal: Principal;
}

type Saved = { workflow: Workflow; version: WorkflowVersion; warnings: Finding[] };

export function workflowPartHandlers({ db: { workflows }, compile }: Services): Handlers<PartRoute> {
  async function existing({ tenantId }: Principal, id: string) {
    const found = await workflows.get(tenantId, id);
    if (!found) throw notFound("workflow");
    return { ...found, graph: asGraph(found.version.graph) };
  }

  /**
   * Saves what `edit` makes of the newest graph, by the same path as a whole graph. An edit rests on what it was made of: where somebody was
   * faster it is refused if the caller named the state (`If-Match`), else made again.
   */
  async function save<T>({ params, headers, principal }: Edit, edit: (graph: JsonObject) => { graph: JsonObject; result: T }): Promise<Saved & { result: T }> {
    const expected = expectedRevision(headers["if-match"]);
    for (let attempt = 1; ; attempt++) {
      const { workflow, graph } = await existing(principal, params.id);
      if (expected !== undefined && expected !== workflow.revision) {
        throw new PerdureError("precondition.failed", `The workflow was changed meanwhile: its ETag is ${etagOf(workflow)}.`);
      }
      const edited = edit(graph);
      const { version, warnings } = await toVersion(compile, principal, edited.graph, params.id);
      try {
        const saved = await workflows.update(principal.tenantId, params.id, { settings: ownSettings(edited.graph) }, version, workflow.revision);
        if (!saved) throw notFound("workflow");
        return { ...saved, warnings, result: edited.result };
      } catch (error) {
        if (!(error instanceof PerdureError && error.code === "precondition.failed")) throw error;
        if (expected !== undefined) throw error;
        if (attempt === ATTEMPTS) throw new PerdureError("resource.conflict", "The workflow is being changed by others; try again.", { cause: error });
        await setTimeout(Math.random() * PAUSE_MS);
      }
    }
  }

  const reply = <S extends 200 | 201, P extends JsonObject>(status: S, part: P, { workflow, version, warnings }: Saved) => ({
    status,
    body: { ...part, workflow_version: version.version, problems: version.problems as unknown as Finding[], warnings },
    headers: { etag: etagOf(workflow) },
  });
  const gone = ({ workflow }: Saved) => ({ status: 204 as const, body: undefined, headers: { etag: etagOf(workflow) } });
  const savedNode = <S extends 200 | 201>(status: S, saved: Saved & { result: string }) =>
    reply(status, asPart(findNode(asGraph(saved.version.graph), saved.result)), saved);
  const savedEdge = <S extends 200 | 201>(status: S, saved: Saved & { result: string }) =>
    reply(status, asEdge(findEdge(asGraph(saved.version.graph), saved.result)), saved);

  return {
    async listWorkflowNodes({ params, query, principal, c }) {
      const { graph, workflow } = await existing(principal, params.id);
      const search = query.search?.toLowerCase();
      const wanted = partsOf(graph)
        .nodes.filter((node) => node["id"] !== undefined && (query.type === undefined || node["type"] === query.type))
        .filter((node) => search === undefined || JSON.stringify([node["id"], node["type"], node["data"]]).toLowerCase().includes(search));
      const page = listPage(wanted, query);
      return { status: 200, body: page.rows.map(asPart), headers: headersOf(c, page, workflow) };
    },

    async addWorkflowNode({ params, headers, body, principal }) {
      const node = partSent(body);
      const saved = await save({ params, headers, principal }, (graph) => {
        const added = addNode(graph, node);
        return { graph: added.graph, result: added.id };
      });
      return savedNode(201, saved);
    },

    async getWorkflowNode({ params, principal }) {
      const { graph, workflow } = await existing(principal, params.id);
      return { status: 200, body: asPart(findNode(graph, params.node_id)), headers: { etag: etagOf(workflow) } };
    },

    async replaceWorkflowNode({ params, headers, body, principal }) {
      const node = partSent(body);
      const replaced = (graph: JsonObject) => ({ graph: replaceNode(graph, params.node_id, () => node), result: params.node_id });
      return savedNode(200, await save({ params, headers, principal }, replaced));
    },

    async updateWorkflowNode({ params, headers, rawBody, principal }) {
      const patch = withoutFindings((rawBody ?? {}) as JsonObject);
      const changed = (graph: JsonObject) => ({ graph: replaceNode(graph, params.node_id, (node) => merged(node, patch)), result: params.node_id });
      return savedNode(200, await save({ params, headers, principal }, changed));
    },

    async deleteWorkflowNode({ params, headers, principal }) {
      return gone(await save({ params, headers, principal }, (graph) => ({ graph: removeNode(graph, params.node_id), result: undefined })));
    },

    async listWorkflowEdges({ params, query, principal, c }) {
      const { graph, workflow } = await existing(principal, params.id);
      const wanted = partsOf(graph)
        .edges.map(({ id, edge }) => asEdge({ ...edge, id }))
        .filter(({ source, target }) => (query.source ?? source) === source && (query.target ?? target) === target);
      const page = listPage(wanted, query);
      return { status: 200, body: page.rows, headers: headersOf(c, page, workflow) };
    },

    async addWorkflowEdge({ params, headers, body, principal }) {
      const edge = partSent(body);
      const saved = await save({ params, headers, principal }, (graph) => {
        const added = addEdge(graph, edge);
        return { graph: added.graph, result: added.id };
      });
      return savedEdge(201, saved);
    },

    async getWorkflowEdge({ params, principal }) {
      const { graph, workflow } = await existing(principal, params.id);
      return { status: 200, body: asEdge(findEdge(graph, params.edge_id)), headers: { etag: etagOf(workflow) } };
    },

    async replaceWorkflowEdge({ params, headers, body, principal }) {
      const edge = partSent(body);
      const replaced = (graph: JsonObject) => ({ graph: replaceEdge(graph, params.edge_id, edge), result: params.edge_id });
      return savedEdge(200, await save({ params, headers, principal }, replaced));
    },

    async deleteWorkflowEdge({ params, headers, principal }) {
      return gone(await save({ params, headers, principal }, (graph) => ({ graph: removeEdge(graph, params.edge_id), result: undefined })));
    },
  };
}

function headersOf(c: Parameters<typeof pageHeadersOf>[0], page: Paged<unknown>, workflow: Workflow) {
  return { ...pageHeadersOf(c, page), etag: etagOf(workflow) };
}

/** The part as it is to be saved: what was left empty is left out, and so is what an answer had beside it. */
function partSent(body: object): JsonObject {
  return withoutFindings(Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null && value !== undefined)) as JsonObject);
}

function withoutFindings(body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([key]) => !BESIDE_THE_PART.includes(key)));
}

function asPart(node: JsonObject): JsonObject & { id: string } {
  return { ...node, id: String(node["id"]) };
}

function asEdge(edge: JsonObject): JsonObject & { id: string; source: string; target: string } {
  return { ...edge, id: String(edge["id"]), source: String(edge["source"] ?? ""), target: String(edge["target"] ?? "") };
}
