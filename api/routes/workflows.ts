import type { Routes } from "#contract";
import type { z } from "@hono/zod-openapi";
import type { workflow as workflowSchema, workflowVersion } from "#contract/workflows.ts";
import { type Finding, type Json, type JsonObject, PerdureError, type TenantId } from "#core";
import { canMigrate, type Body, diff, type Plan } from "#graph";
import type { Workflow, WorkflowVersion } from "#db";
import { etagOf, expectedRevision } from "../etag.ts";
import { ownSettings, sentGraph, standingOf, storedFindings, toVersion, withSettings } from "../graphs.ts";
import type { Handlers, Request } from "../mount.ts";
import { pageHeadersOf, toPage } from "../paging.ts";
import { notFound } from "../problem.ts";
import type { Principal } from "../security/principal.ts";
import type { Services } from "../services.ts";

type WorkflowRoute =
  | "listWorkflows"
  | "createWorkflow"
  | "validateGraph"
  | "getWorkflow"
  | "replaceWorkflow"
  | "updateWorkflow"
  | "deleteWorkflow"
  | "restoreWorkflow"
  | "validateWorkflow"
  | "publishWorkflow"
  | "duplicateWorkflow"
  | "listVersions"
  | "getVersion"
  | "diffVersions"
  | "restoreVersion";

type Change = Pick<Request<Routes["updateWorkflow"]>, "params" | "headers" | "body" | "principal">;

const EMPTY_GRAPH: JsonObject = { nodes: [], edges: [] };

export function workflowHandlers({ db: { workflows }, compile }: Services): Handlers<WorkflowRoute> {
  async function existing(tenantId: Principal["tenantId"], id: string) {
    const found = await workflows.get(tenantId, id);
    if (!found) throw notFound("workflow");
    return found;
  }

  async function validate(tenant: TenantId, graph: JsonObject, workflowId?: string) {
    const compiled = await compile(tenant, graph, workflowId);
    return { status: 200 as const, body: { valid: compiled.ok, errors: compiled.ok ? [] : compiled.problems, warnings: compiled.warnings } };
  }

  /** The graph to save, if any: settings that are not sent again stay as they are, and changed ones make a version too. */
  async function changedGraph(tenantId: Principal["tenantId"], id: string, body: Change["body"]): Promise<JsonObject | undefined> {
    const sent = sentGraph(body);
    if (!sent && !body.settings) return undefined;
    if (sent && (body.settings || sent["settings"])) return withSettings(sent, body.settings);
    const { workflow, version } = await existing(tenantId, id);
    return withSettings(sent ?? asGraph(version.graph), body.settings ?? workflow.settings);
  }

  async function save({ params, headers, body, principal }: Change) {
    const graph = await changedGraph(principal.tenantId, params.id, body);
    const compiled = graph && (await toVersion(compile, principal, graph, params.id));
    const saved = await workflows.update(
      principal.tenantId,
      params.id,
      {
        ...(body.name !== undefined && { name: body.name }),
        ...(body.description != null && { description: body.description }),
        ...(body.tags != null && { tags: body.tags }),
        ...(graph && { settings: ownSettings(graph) }),
        ...(body.is_public != null && { isPublic: body.is_public }),
      },
      compiled?.version,
      expectedRevision(headers["if-match"]),
    );
    if (!saved) throw notFound("workflow");
    return savedWorkflow(
      200,
      saved.workflow,
      saved.version,
      (await standingOf(compile, principal.tenantId, saved.version, params.id)).problems,
      compiled?.warnings ?? [],
    );
  }

  return {
    async listWorkflows({ query, principal, c }) {
      const page = await workflows.list(
        principal.tenantId,
        {
          order: query.sort,
          ...(query.search && { search: query.search }),
          ...(query.tags && query.tags.length > 0 && { tags: query.tags }),
          ...(query.is_public !== undefined && { isPublic: query.is_public }),
          ...(query.published !== undefined && { isPublished: query.published }),
          ...(query.deleted !== undefined && { deleted: query.deleted }),
          ...(query.fields && !query.fields.includes("flow_data") && { withoutGraph: true }),
        },
        toPage(query),
      );
      return { status: 200, body: page.rows.map((row) => workflowJson(row, row.graph)), headers: pageHeadersOf(c, page) };
    },

    async createWorkflow({ body, principal }) {
      const graph = withSettings(sentGraph(body) ?? EMPTY_GRAPH, body.settings);
      const { version, warnings } = await toVersion(compile, principal, graph);
      const created = await workflows.create(
        principal.tenantId,
        {
          name: body.name,
          description: body.description ?? "",
          tags: body.tags ?? [],
          settings: ownSettings(graph),
          isPublic: body.is_public ?? false,
          createdBy: principal.userId,
        },
        version,
      );
      return savedWorkflow(201, created.workflow, created.version, storedFindings(created.version.problems), warnings);
    },

    validateGraph: ({ body, principal }) => validate(principal.tenantId, withSettings(sentGraph(body) ?? EMPTY_GRAPH, body.settings)),

    async getWorkflow({ params, principal }) {
      const { workflow, version } = await existing(principal.tenantId, params.id);
      return savedWorkflow(200, workflow, version, (await standingOf(compile, principal.tenantId, version, params.id)).problems);
    },

    replaceWorkflow: save,
    updateWorkflow: save,

    async deleteWorkflow({ params, headers, principal }) {
      if (!(await workflows.remove(principal.tenantId, params.id, expectedRevision(headers["if-match"])))) throw notFound("workflow");
      return { status: 204, body: undefined };
    },

    async restoreWorkflow({ params, principal }) {
      const restored = await workflows.restore(principal.tenantId, params.id);
      if (!restored) throw notFound("workflow");
      const { problems } = await standingOf(compile, principal.tenantId, restored.version, params.id);
      return savedWorkflow(200, restored.workflow, restored.version, problems);
    },

    async validateWorkflow({ params, principal }) {
      const { version } = await existing(principal.tenantId, params.id);
      return validate(principal.tenantId, asGraph(version.graph), params.id);
    },

    async publishWorkflow({ params, headers, body, principal }) {
      const { workflow } = await existing(principal.tenantId, params.id);
      const version = await workflows.version(principal.tenantId, params.id, body.version ?? workflow.version);
      if (!version) throw notFound("version");
      const { plan, problems } = await standingOf(compile, principal.tenantId, version, params.id);
      if (!plan) throw new PerdureError("graph.invalid", `Version ${version.version} has problems and cannot be published.`, { findings: problems });
      const published = await workflows.publish(principal.tenantId, params.id, version.version, expectedRevision(headers["if-match"]));
      const newest = await workflows.get(principal.tenantId, params.id);
      if (!published || !newest) throw notFound("workflow");
      const standing = await standingOf(compile, principal.tenantId, newest.version, params.id);
      return savedWorkflow(200, newest.workflow, newest.version, standing.problems);
    },

    async duplicateWorkflow({ params, body, principal }) {
      const { workflow, version } = await existing(principal.tenantId, params.id);
      const compiled = await toVersion(compile, principal, asGraph(version.graph));
      const copy = await workflows.create(
        principal.tenantId,
        {
          name: body.name ?? `${workflow.name.slice(0, 193)} (copy)`,
          description: workflow.description,
          tags: workflow.tags,
          settings: workflow.settings,
          isPublic: false,
          createdBy: principal.userId,
        },
        compiled.version,
      );
      return savedWorkflow(201, copy.workflow, copy.version, storedFindings(copy.version.problems), compiled.warnings);
    },

    async listVersions({ params, query, principal, c }) {
      const [found, page] = await Promise.all([workflows.get(principal.tenantId, params.id), workflows.versions(principal.tenantId, params.id, toPage(query))]);
      if (!found || !page) throw notFound("workflow");
      return { status: 200, body: page.rows.map((version) => versionJson(version, found.workflow.publishedVersion)), headers: pageHeadersOf(c, page) };
    },

    async getVersion({ params, principal }) {
      const [found, version] = await Promise.all([
        workflows.get(principal.tenantId, params.id),
        workflows.version(principal.tenantId, params.id, params.version),
      ]);
      if (!found || !version) throw notFound("version");
      return { status: 200, body: { ...versionJson(version, found.workflow.publishedVersion), flow_data: version.graph } };
    },

    async diffVersions({ params, query, principal }) {
      const { workflow } = await existing(principal.tenantId, params.id);
      const numbers = { draft: workflow.version, published: workflow.publishedVersion };
      const [from, to] = await Promise.all(
        [query.from, query.to].map(async (named) => {
          const number = typeof named === "number" ? named : numbers[named];
          const version = number === null ? undefined : await workflows.version(principal.tenantId, params.id, number);
          return version && { ...version, plan: (await standingOf(compile, principal.tenantId, version, params.id)).plan };
        }),
      );
      if (!from || !to) throw notFound("version");
      return { status: 200, body: { from: from.version, to: to.version, ...diff(from.graph, to.graph), migration: migrationOf(from.plan, to.plan) } };
    },

    async restoreVersion({ params, headers, principal }) {
      const old = await workflows.version(principal.tenantId, params.id, params.version);
      if (!old) throw notFound("version");
      const { version, warnings } = await toVersion(compile, principal, asGraph(old.graph), params.id);
      const saved = await workflows.update(principal.tenantId, params.id, { settings: ownSettings(old.graph) }, version, expectedRevision(headers["if-match"]));
      if (!saved) throw notFound("workflow");
      return savedWorkflow(200, saved.workflow, saved.version, storedFindings(saved.version.problems), warnings);
    },
  };
}

/** The answer to a save. */
export function savedWorkflow<S extends 200 | 201>(
  status: S,
  workflow: Workflow,
  version: WorkflowVersion,
  problems: readonly Finding[],
  warnings?: Finding[],
) {
  return {
    status,
    body: workflowJson(workflow, version.graph, problems, warnings),
    headers: { etag: etagOf(workflow) },
  };
}

export function workflowJson(workflow: Workflow, graph: Json, problems?: readonly Finding[], warnings?: Finding[]): z.input<typeof workflowSchema> {
  return {
    id: workflow.id,
    name: workflow.name,
    description: workflow.description,
    tags: workflow.tags,
    flow_data: graph,
    settings: workflow.settings,
    is_public: workflow.isPublic,
    version: workflow.version,
    published_version: workflow.publishedVersion,
    ...(problems && { problems: [...problems] }),
    ...(warnings && { warnings }),
    user_id: workflow.createdBy,
    created_at: workflow.createdAt.toISOString(),
    updated_at: workflow.updatedAt.toISOString(),
    ...(workflow.deletedAt && { deleted_at: workflow.deletedAt.toISOString() }),
  };
}

function versionJson(version: Omit<WorkflowVersion, "plan" | "graph">, published: number | null): z.input<typeof workflowVersion> {
  return {
    version: version.version,
    hash: version.hash,
    published: version.version === published,
    problems: storedFindings(version.problems),
    created_by: version.createdBy,
    created_at: version.createdAt.toISOString(),
  };
}

/** What was saved as a graph is an object; a draft of something else would be its own problem. */
export function asGraph(graph: Json): JsonObject {
  return typeof graph === "object" && graph !== null && !Array.isArray(graph) ? graph : EMPTY_GRAPH;
}

/** What keeps a run from being moved that has come to every node of a plan. */
function migrationOf(from: Plan | undefined, to: Plan | undefined): { any_run: boolean; obstacles: { node_id: string; message: string }[] } | null {
  if (!from || !to) return null;
  const nodes = stepsOf(from).map(({ id }) => ({ node_id: id, iteration: "", status: "completed" as const }));
  const answer = canMigrate({ entries: [...from.entries.manual, ...from.entries.triggers], nodes }, from, to);
  return answer.ok ? { any_run: true, obstacles: [] } : { any_run: false, obstacles: answer.nodes };
}

/** Also those of bodies. */
function stepsOf(body: Body): Body["steps"] {
  return body.steps.flatMap((step) => [step, ...(step.body ? stepsOf(step.body) : []), ...(step.compensate ? stepsOf(step.compensate) : [])]);
}
