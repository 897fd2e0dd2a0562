import { createHash } from "node:crypto";
import { type Finding, type Json, type JsonObject, PerdureError, stableStringify } from "#core";
import { type Plan, selectEntries } from "#graph";
import type { Run, StartRun } from "#runs";
import { type SentGraph, sentGraph, standingOf, withSettings } from "../graphs.ts";
import { notFound } from "../problem.ts";
import type { Principal } from "../security/principal.ts";
import type { Services } from "../services.ts";
import { callersKey } from "./callers-key.ts";

export interface StartBody {
  inputs?: JsonObject | null | undefined;
  entry?: string | null | undefined;
  timeout?: string | number | null | undefined;
  priority?: number | null | undefined;
  variables?: JsonObject | null | undefined;
}

export interface StartRequest<B extends StartBody> {
  readonly principal: Principal;
  readonly body: B;
  /** As it was sent: what an idempotency key stands for. */
  readonly rawBody: Json | undefined;
  readonly idempotencyKey: string | undefined;
}

export interface RunStarter {
  /** @throws PerdureError `resource.not_found`, `graph.invalid`, `entry.required`, `validation.failed`, `request.too_large`, `idempotency.mismatch`, `temporal.unavailable`. */
  startWorkflow(workflowId: string, request: StartRequest<StartBody & { version?: number | null | undefined }>): Promise<Run>;
  startGraph(request: StartRequest<StartBody & SentGraph & { name?: string | null | undefined; settings?: JsonObject | null | undefined }>): Promise<Run>;
}

/** What turns a request into a run: the version's plan, its entries, inputs that fit. */
export function createRunStarter({ db, runs, compile, schemas, settings }: Services): RunStarter {
  async function start(
    request: StartRequest<StartBody>,
    plan: Plan,
    subject: string,
    identity: Pick<StartRun, "workflowId" | "workflowName" | "version" | "graph">,
    known?: { variables: JsonObject },
  ): Promise<Run> {
    const { principal, body, rawBody, idempotencyKey } = request;
    const inputs = body.inputs ?? {};
    for (const [name, values] of Object.entries({ inputs, variables: body.variables ?? {} })) {
      if (Buffer.byteLength(JSON.stringify(values)) > settings.RUN_INPUTS_MAX_BYTES) {
        throw new PerdureError("request.too_large", `The ${name} have more than ${settings.RUN_INPUTS_MAX_BYTES} bytes.`);
      }
    }
    const entries = entriesOf(plan, body.entry ?? undefined);
    const findings = plan.inputs_schema ? await schemas.check(plan.inputs_schema, inputs, "inputs") : [];
    if (findings.length > 0) throw new PerdureError("validation.failed", "The inputs do not fit what the workflow's start asks for.", { findings });
    const starting: StartRun = {
      ...identity,
      plan: body.priority == null ? plan : { ...plan, settings: { ...plan.settings, priority: body.priority } },
      inputs,
      variables: body.variables ?? {},
      entries,
      trigger: "api",
      createdBy: principal.userId,
      ...(idempotencyKey !== undefined && { idempotency: { key: callersKey(idempotencyKey), requestHash: requestHash(subject, rawBody) } }),
    };
    return (await runs.start(principal.tenantId, starting, known)).run;
  }

  return {
    async startWorkflow(workflowId, request) {
      const { principal, body } = request;
      const [found, variables] = await Promise.all([
        db.workflows.runnable(principal.tenantId, workflowId, body.version ?? undefined),
        db.variables.forRun(principal.tenantId, workflowId),
      ]);
      if (!found) throw notFound(body.version == null ? "workflow" : "version of the workflow");
      const { workflow, version } = found;
      const { plan, problems } = await standingOf(compile, principal.tenantId, version, workflowId);
      if (!plan) throw invalidGraph(problems);
      return start(request, plan, workflowId, { workflowId, workflowName: workflow.name, version: version.version }, { variables });
    },

    async startGraph(request) {
      const { body } = request;
      const sent = sentGraph(body);
      if (!sent) {
        throw new PerdureError("validation.failed", "The request is not valid.", {
          findings: [{ code: "validation.required", message: "is required", path: "flow_data" }],
        });
      }
      const graph = withSettings(sent, body.settings);
      const compiled = await compile(request.principal.tenantId, graph);
      if (!compiled.ok) throw invalidGraph(compiled.problems);
      return start(request, compiled.plan, "graph", { workflowId: null, workflowName: body.name ?? "Ad-hoc run", version: null, graph });
    },
  };
}

function entriesOf(plan: Plan, requested: string | undefined): string[] {
  const selected = selectEntries(plan, requested);
  if ("problem" in selected) throw new PerdureError("entry.required", selected.problem.message, { findings: [selected.problem] });
  return selected.entries;
}

function invalidGraph(findings: readonly Finding[]): PerdureError {
  return new PerdureError("graph.invalid", `The graph has ${findings.length === 1 ? "a problem" : `${findings.length} problems`} and cannot run.`, {
    findings,
  });
}

/** Of what is to be run; not of how the answer is to be given, so that a retry may wait where the first call did not. */
function requestHash(subject: string, rawBody: Json | undefined): string {
  const { mode: _mode, timeout: _timeout, ...what } = (rawBody ?? {}) as JsonObject;
  return createHash("sha256")
    .update(stableStringify([subject, what]))
    .digest("hex");
}
