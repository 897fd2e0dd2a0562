import { eventKey, isClosed, type Json, type JsonObject, PerdureError, type TenantId } from "#core";
import type { Database, RunOrigin } from "#db";
import { canMigrate, type Plan, selectEntries } from "#graph";
import { type Given, givenKey, receiptKey } from "#workflows/messages";
import type { RecordedNode, Run, Runs } from "../types.ts";
import { assignedNodes, passedOver } from "./assigned.ts";
import { compareRuns } from "./compare.ts";
import { editedNodes, positionOf, withNodeInputs } from "./edits.ts";
import { readGiven, refuseLarge, refuseLost } from "./given.ts";
import { type Course, createCourses } from "./plans.ts";
import { placesOf } from "./places.ts";
import { select, selectRecording, type Selection } from "./select.ts";
import type { Asked, CheckpointLimits, Checkpoints, NodeKnowledge } from "./types.ts";

export type { Comparison } from "./compare.ts";
export type * from "./types.ts";

/** Rows of nodes that a run may have to be gone on from. */
const NODES_MAX = 200_000;

export interface CheckpointsOptions {
  db: Pick<Database, "runs" | "receipts" | "workflows" | "log">;
  runs: Pick<Runs, "start" | "command" | "refresh">;
  nodes: NodeKnowledge;
  limits: CheckpointLimits;
}

type Kind = "retry" | "fork" | "replay";

export function createCheckpoints({ db, runs, nodes, limits }: CheckpointsOptions): Checkpoints {
  const courses = createCourses(db, nodes);

  /** @param bring - Whether rows of a live run are brought in line first. */
  async function originOf(tenant: TenantId, runId: string): Promise<RunOrigin> {
    const found = await db.runs.origin(tenant, runId);
    if (!found) throw new PerdureError("resource.not_found", "There is no such run.");
    return isClosed(found.run.status) ? found : { ...found, run: await runs.refresh(tenant, runId) };
  }

  async function recordingOf(tenant: TenantId, runId: string): Promise<RecordedNode[]> {
    const recorded = await db.runs.recorded(tenant, runId, NODES_MAX + 1);
    if (recorded.length > NODES_MAX) throw new PerdureError("request.too_large", `The run has more than ${NODES_MAX} rows of nodes.`);
    return recorded;
  }

  /** Calls that were answered, though no row says so. */
  async function receiptsOf(tenant: TenantId, runId: string, recorded: readonly RecordedNode[], plan: Plan): Promise<ReadonlySet<string>> {
    const places = placesOf(plan);
    const open = recorded.filter(({ node_id, status, output_bytes: bytes }) => {
      const isCall = places.get(node_id)?.step.kind === "activity";
      return isCall && status !== "failed" && status !== "skipped" && (status !== "completed" || bytes === null);
    });
    const keys = new Map(open.map(({ node_id, iteration }) => [receiptKey({ run_id: runId, node_id, iteration }), givenKey(node_id, iteration)]));
    const results = await db.receipts.results(tenant, [...keys.keys()]);
    return new Set([...results.keys()].map((key) => keys.get(key) ?? ""));
  }

  async function valuesOf(
    tenant: TenantId,
    runId: string,
    recorded: readonly RecordedNode[],
    { taken, lost }: Selection,
    edited: Readonly<Record<string, Given>>,
  ): Promise<Record<string, Given>> {
    const byKey = new Map(recorded.map((node) => [givenKey(node.node_id, node.iteration), node]));
    refuseLost(lost.filter(({ node_id, iteration }) => !Object.hasOwn(edited, givenKey(node_id, iteration))));
    const unedited = taken.filter(
      ({ node_id, iteration }) => !(edited[givenKey(node_id, iteration)] && "value" in (edited[givenKey(node_id, iteration)] ?? {})),
    );
    refuseLarge(
      unedited.reduce((sum, each) => sum + (each.source === "row" ? (byKey.get(givenKey(each.node_id, each.iteration))?.output_bytes ?? 0) : 0), 0),
      limits.givenMaxBytes,
    );
    const read = await readGiven(db, tenant, runId, byKey, unedited);
    const given: Record<string, Given> = { ...read };
    for (const [key, edit] of Object.entries(edited)) given[key] = { ...(read[key]?.skipped ? {} : read[key]), ...edit };
    refuseLarge(Buffer.byteLength(JSON.stringify(given)), limits.givenMaxBytes);
    return given;
  }

  async function start(
    tenant: TenantId,
    kind: Kind,
    origin: RunOrigin,
    course: Course,
    given: Record<string, Given>,
    { by, idempotency }: Asked,
    edits: { inputs?: JsonObject; variables?: JsonObject; fromNode?: string } = {},
  ): Promise<{ run: Run; created: boolean }> {
    const { run: old, variables, entries } = origin;
    const inputs = edits.inputs ?? old.inputs;
    if (edits.inputs) await checkInputs(course.plan, inputs);
    const allVariables = { ...variables, ...edits.variables };
    refuseLong({ inputs, variables: allVariables });
    const started = await runs.start(tenant, {
      workflowId: old.workflowId,
      workflowName: old.workflowName,
      version: course.version,
      plan: course.plan,
      ...(course.isOwn && { graph: course.graph }),
      inputs,
      variables: allVariables,
      entries: entriesOf(course.plan, entries),
      trigger: kind,
      createdBy: by,
      forkedFrom: old.id,
      given,
      ...(kind === "replay" && { recordedOnly: true as const }),
      ...(idempotency && { idempotency }),
    });
    await tellBoth(tenant, kind, old, started.run, by, edits.fromNode);
    return started;
  }

  /** Both logs say so, as far as they are open: a log that is closed stays as it is. */
  async function tellBoth(tenant: TenantId, kind: Kind, old: Run, run: Run, by: string, fromNode: string | undefined): Promise<void> {
    const at = new Date().toISOString();
    const about = { command: kind, by, at, ...(fromNode !== undefined && { from_node: fromNode }) };
    const fact = (runId: string, data: JsonObject) => ({
      tenantId: tenant,
      event: { run_id: runId, key: eventKey("command", "", "", 0, `${kind}:${run.id}`), kind: "command" as const, at, data },
    });
    await db.log.append([fact(run.id, { ...about, forked_from: old.id }), fact(old.id, { ...about, execution_id: run.id })]);
  }

  async function checkInputs({ inputs_schema: schema }: Plan, inputs: JsonObject): Promise<void> {
    const findings = schema && nodes.checkInputs ? await nodes.checkInputs(schema, inputs) : [];
    if (findings.length > 0) throw new PerdureError("validation.failed", "The inputs do not fit what the workflow's start asks for.", { findings });
  }

  function refuseLong(values: Record<string, Json>): void {
    for (const [name, value] of Object.entries(values)) {
      if (Buffer.byteLength(JSON.stringify(value)) > limits.inputsMaxBytes) {
        throw new PerdureError("request.too_large", `The ${name} have more than ${limits.inputsMaxBytes} bytes.`);
      }
    }
  }

  async function migrationOf(tenant: TenantId, runId: string, version: number) {
    const origin = await originOf(tenant, runId);
    const { run, entries } = origin;
    if (isClosed(run.status)) throw new PerdureError("run.closed", `The run is ${run.status}; it cannot go on by another version.`);
    if (run.workflowId === null) throw new PerdureError("run.state", "The run is not one of a stored workflow, so there are no versions.");
    const [from, to] = [await courses.before(tenant, origin), await courses.after(tenant, origin, version)];
    const recorded = await recordingOf(tenant, runId);
    const answer = canMigrate({ entries, nodes: recorded }, from.plan, to.plan);
    return { run, plan: to.plan, obstacles: answer.ok ? [] : answer.nodes };
  }

  return {
    async retry(tenant, runId, { version }, asked) {
      const origin = await originOf(tenant, runId);
      refuseUnlessEnded(origin.run, "retried");
      if (origin.run.status === "completed") throw new PerdureError("run.state", "The run was completed; there is nothing to try again. Fork it at a node.");
      const [before, after] = [await courses.before(tenant, origin), await courses.after(tenant, origin, version)];
      const recorded = await recordingOf(tenant, runId);
      const receipts = await receiptsOf(tenant, runId, recorded, after.plan);
      const { isEffectFree } = nodes;
      const selection = select({
        from: before.plan,
        to: after.plan,
        nodes: recorded,
        receipts,
        again: [],
        edited: new Set(),
        failedItems: "again",
        isEffectFree,
      });
      return start(tenant, "retry", origin, after, await valuesOf(tenant, runId, recorded, selection, {}), asked);
    },

    async fork(tenant, runId, request, asked) {
      const { fromNode, iteration, inputs, nodeInputs, variables, version } = request;
      const origin = await originOf(tenant, runId);
      const before = await courses.before(tenant, origin);
      const stored = await courses.after(tenant, origin, version);
      const after = nodeInputs ? await courses.own(tenant, origin, withNodeInputs(stored.graph, fromNode, nodeInputs), stored.version) : stored;
      const recorded = await recordingOf(tenant, runId);
      const receipts = await receiptsOf(tenant, runId, recorded, after.plan);
      const at = positionOf(after.plan, fromNode, iteration);
      const routes = new Map(recorded.map((node) => [givenKey(node.node_id, node.iteration), node.route ?? undefined]));
      const edits = editedNodes(after.plan, at, request, (key) => routes.get(key));
      const selection = select({
        from: before.plan,
        to: after.plan,
        nodes: recorded,
        receipts,
        again: [at],
        edited: inputs || variables ? "all" : new Set(Object.keys(request.outputs ?? {})),
        failedItems: "stand",
        isEffectFree: nodes.isEffectFree,
      });
      const given = await valuesOf(tenant, runId, recorded, selection, edits);
      return start(tenant, "fork", origin, after, given, asked, { fromNode, ...(inputs && { inputs }), ...(variables && { variables }) });
    },

    async replay(tenant, runId, { version }, asked) {
      const origin = await originOf(tenant, runId);
      refuseUnlessEnded(origin.run, "replayed");
      const after = await courses.after(tenant, origin, version);
      const recorded = await recordingOf(tenant, runId);
      const selection = selectRecording({ to: after.plan, nodes: recorded, receipts: await receiptsOf(tenant, runId, recorded, after.plan) });
      return start(tenant, "replay", origin, after, await valuesOf(tenant, runId, recorded, selection, {}), asked);
    },

    async canMigrate(tenant, runId, version) {
      const { run, obstacles } = await migrationOf(tenant, runId, version);
      return { run, obstacles };
    },

    async migrate(tenant, runId, version, by) {
      const { run, plan, obstacles } = await migrationOf(tenant, runId, version);
      if (run.version === version) return { outcome: "applied", run };
      if (obstacles.length > 0) {
        throw new PerdureError("run.state", `The run has gone too far to go on by version ${version}.`, {
          findings: obstacles.map(({ node_id, message }) => ({ code: "migration.too_late", message, node_id })),
        });
      }
      return runs.command(tenant, runId, { kind: "migrate", version, plan }, by);
    },

    async passedOver(tenant, runId, node) {
      const origin = await originOf(tenant, runId);
      const { plan } = await courses.after(tenant, origin, undefined);
      if (passedOver(plan, node, () => false).length === 0) return [];
      const rows = await recordingOf(tenant, runId);
      const ended = new Set(rows.flatMap(({ iteration, node_id: id, status }) => (status === "running" || status === "waiting" ? [] : [`${iteration}:${id}`])));
      return passedOver(plan, node, (id, iteration) => ended.has(`${iteration}:${id}`));
    },

    async assigned(tenant, runId, nodeIds, version) {
      const origin = await originOf(tenant, runId);
      return assignedNodes((await courses.after(tenant, origin, version)).plan, nodeIds);
    },

    async compare(tenant, runId, withId) {
      const after = await db.runs.get(tenant, runId);
      if (!after) throw new PerdureError("resource.not_found", "There is no such run.");
      const otherId = withId ?? after.forkedFrom ?? undefined;
      if (otherId === undefined) throw new PerdureError("run.state", "The run was not forked from another: say with which it is to be compared.");
      const before = await db.runs.get(tenant, otherId);
      if (!before) throw new PerdureError("resource.not_found", "There is no such run.");
      return compareRuns(db, tenant, before, after);
    },
  };
}

function refuseUnlessEnded(run: Run, what: string): void {
  if (!isClosed(run.status)) throw new PerdureError("run.state", `The run is ${run.status}; only one that has ended can be ${what}.`);
}

/** Those that fired before, as long as the graph still has them all. */
function entriesOf(plan: Plan, before: readonly string[]): string[] {
  if (before.length > 0 && before.every((id) => plan.entries.triggers.includes(id) || plan.entries.manual.includes(id))) return [...before];
  const selected = selectEntries(plan);
  if ("problem" in selected) throw new PerdureError("entry.required", selected.problem.message, { findings: [selected.problem] });
  return selected.entries;
}
