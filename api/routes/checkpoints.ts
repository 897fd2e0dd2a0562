import { createHash } from "node:crypto";
import { type Json, type JsonObject, PerdureError, stableStringify } from "#core";
import type { Routes } from "#contract";
import type { Asked, Run } from "#runs";
import type { Handlers, Request } from "../mount.ts";
import { callersKey } from "../runs/callers-key.ts";
import { runJson } from "../runs/run-json.ts";
import { allows, type Principal } from "../security/principal.ts";
import type { Services } from "../services.ts";

type CheckpointRoute =
  | "retryExecution"
  | "forkExecution"
  | "replayExecution"
  | "compareExecutions"
  | "migrateExecution"
  | "skipNode"
  | "retryNode"
  | "completeNode"
  | "sendEvent";
type Again = Pick<Request<Routes["retryExecution"]>, "params" | "headers" | "body" | "rawBody" | "principal">;
type CommandOf = Parameters<Services["runs"]["command"]>[2];

export function checkpointHandlers({ runs, checkpoints, settings }: Services): Handlers<CheckpointRoute> {
  const asked = (kind: string, { params, headers, rawBody, principal }: Pick<Again, "params" | "headers" | "rawBody" | "principal">): Asked => {
    const key = headers["idempotency-key"];
    return {
      by: principal.userId,
      ...(key !== undefined && { idempotency: { key: callersKey(key), requestHash: requestHash(`${kind} ${params.id}`, rawBody) } }),
    };
  };

  function created({ run }: { run: Run }) {
    const body = runJson(run, settings);
    return { status: 201 as const, body, headers: { location: body.links.self } };
  }

  /** Deciding what named people are asked is answering in their place: it takes the right to run another graph, which need not ask them. */
  async function refuseForOthers(principal: Principal, runId: string, nodeIds: readonly string[], version?: number | "current"): Promise<void> {
    if (nodeIds.length === 0 || allows(principal, "run.ad_hoc")) return;
    const [first] = await checkpoints.assigned(principal.tenantId, runId, nodeIds, version);
    if (first !== undefined) throw new PerdureError("auth.forbidden", `"${first}" is for others to answer; you may not decide it (run.ad_hoc).`);
  }

  async function decide(request: Pick<Request<Routes["skipNode"]>, "params" | "principal">, what: CommandOf) {
    await refuseForOthers(request.principal, request.params.id, [request.params.node_id]);
    return command(request, what);
  }

  async function command({ params, principal }: Pick<Again, "params" | "principal">, what: CommandOf) {
    const { outcome, run } = await runs.command(principal.tenantId, params.id, what, principal.userId);
    return { status: outcome === "applied" ? (200 as const) : (202 as const), body: runJson(run, settings) };
  }

  return {
    async retryExecution(request) {
      const { params, body, principal } = request;
      return created(await checkpoints.retry(principal.tenantId, params.id, versionOf(body), asked("retry", request)));
    },

    async forkExecution(request) {
      const { params, body, principal } = request;
      const { inputs, outputs, routes, variables, node_inputs: nodeInputs } = body;
      // Other inputs of a node are another graph: where it calls, and what it runs.
      if (nodeInputs && !allows(principal, "run.ad_hoc")) {
        throw new PerdureError("auth.forbidden", `You may not change the inputs of a node (run.ad_hoc).`);
      }
      const decided = [...new Set([...Object.keys(outputs ?? {}), ...Object.keys(routes ?? {})])];
      await refuseForOthers(principal, params.id, decided, versionOf(body).version);
      const fork = {
        fromNode: body.from_node,
        ...(body.iteration && { iteration: body.iteration }),
        ...versionOf(body),
        ...(inputs && { inputs }),
        ...(outputs && { outputs }),
        ...(routes && { routes }),
        ...(variables && { variables }),
        ...(nodeInputs && { nodeInputs }),
      };
      return created(await checkpoints.fork(principal.tenantId, params.id, fork, asked("fork", request)));
    },

    async replayExecution(request) {
      const { params, body, principal } = request;
      return created(await checkpoints.replay(principal.tenantId, params.id, versionOf(body), asked("replay", request)));
    },

    async compareExecutions({ params, query, principal }) {
      const { same, before, after, nodes, truncated } = await checkpoints.compare(principal.tenantId, params.id, query.with);
      return { status: 200, body: { same, before, after, nodes, truncated } };
    },

    async migrateExecution({ params, query, body, principal }) {
      if (query.dry_run) {
        const { obstacles } = await checkpoints.canMigrate(principal.tenantId, params.id, body.version);
        return { status: 200, body: { can_migrate: obstacles.length === 0, nodes: obstacles } };
      }
      const { outcome, run } = await checkpoints.migrate(principal.tenantId, params.id, body.version, principal.userId);
      const answer = runJson(run, settings);
      return outcome === "applied" ? { status: 200, body: answer } : { status: 202, body: answer };
    },

    skipNode: (request) => decide(request, { kind: "skip_node", ...nodeOf(request) }),
    retryNode: (request) => command(request, { kind: "retry_node", ...nodeOf(request) }),
    async completeNode(request) {
      const { params, body, principal } = request;
      const node = nodeOf(request);
      if (!allows(principal, "run.ad_hoc")) {
        const [first] = await checkpoints.passedOver(principal.tenantId, params.id, { id: node.node_id, iteration: node.iteration });
        if (first !== undefined)
          throw new PerdureError(
            "auth.forbidden",
            `"${first}", which is for others to answer, comes before "${node.node_id}"; you may not pass it over (run.ad_hoc).`,
          );
      }
      return decide(request, { kind: "complete_node", ...node, output: body.output ?? null, ...(body.route != null && { route: body.route }) });
    },

    sendEvent: (request) => {
      const { name, correlation, payload } = request.body;
      return command(request, { kind: "send_event", name, ...(correlation != null && { correlation }), payload: payload ?? null });
    },
  };
}

function nodeOf({ params, body }: Pick<Request<Routes["skipNode"]>, "params" | "body">): { node_id: string; iteration: string } {
  return { node_id: params.node_id, iteration: body.iteration ?? "" };
}

function versionOf(body: Again["body"]): { version?: number | "current" } {
  if (body.version != null) return { version: body.version };
  return (body.load_workflow ?? body.loadWorkflow) ? { version: "current" } : {};
}

function requestHash(subject: string, rawBody: Json | undefined): string {
  return createHash("sha256")
    .update(stableStringify([subject, (rawBody ?? {}) as JsonObject]))
    .digest("hex");
}
