import { z } from "@hono/zod-openapi";
import { RUN_STATUSES } from "#core";
import { MAX_ID_LENGTH } from "#graph";
import { command, run, startHeaders } from "./executions.ts";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { failure, flagQuery, id, idParam, json, optionalObject, trimmedText } from "./values.ts";

const tags = ["executions"];
const base = "/api/v1/executions";
const byId = z.object({ id: idParam });

const version = z.int().min(1).max(2_147_483_647);
const nodeId = z.string().min(1).max(MAX_ID_LENGTH);
/** The name of an iteration. */
const iteration = z
  .string()
  .max(200)
  .regex(/^(?:\d{1,9}(?:\.\d{1,9})*)?$/, 'is no iteration such as "2.5"')
  .openapi({ description: '`"2.5"`: item 5 of the inner loop in item 2 of the outer; empty outside loops.' });

const ofVersion = {
  version: version.nullish().openapi({ description: "Of the workflow; the one the run went by where it is left out." }),
  load_workflow: z.boolean().nullish().openapi({ description: "True: the version that running the workflow takes now." }),
  loadWorkflow: z.boolean().nullish().openapi({ description: "Another name of `load_workflow`." }),
};

const again = {
  method: "post" as const,
  tags,
  access: needs("run.start"),
  problems: [400, 404, 409, 413, 422],
};
const newRun = { 201: jsonReply("The new run; `forked_from` names the one it goes on from.", run) };

const end = z.object({ id, status: z.enum(RUN_STATUSES), outputs: json.nullable(), error: failure.nullable() });
const nodeEnd = z.object({ status: z.string(), route: z.string().nullable(), output: json.nullable(), error: failure.nullable() });

export const comparison = z
  .object({
    same: z.boolean().openapi({ description: "Status, outputs, failure and all nodes are the same." }),
    before: end,
    after: end,
    nodes: z
      .array(z.object({ node_id: z.string(), iteration: z.string(), before: nodeEnd.nullable(), after: nodeEnd.nullable() }))
      .openapi({ description: "Nodes that came to something else, 500 at most; null where a run has no row of the node." }),
    truncated: z.boolean().openapi({ description: "There is more to compare than was compared." }),
  })
  .openapi("ExecutionComparison");

export const migrationCheck = z
  .object({
    can_migrate: z.boolean(),
    nodes: z.array(z.object({ node_id: z.string(), message: z.string() })).openapi({ description: "What stands against it." }),
  })
  .openapi("MigrationCheck");

const onNode = { ...command, problems: [400, 404, 409, 413, 422] };
const nodeParams = z.object({ id: idParam, node_id: nodeId });
const nodeBody = z.object({ iteration: iteration.nullish() });

export const checkpointRoutes = {
  retryExecution: defineRoute({
    ...again,
    path: `${base}/{id}/retry`,
    operationId: "retryExecution",
    rules: "the version has no problems, and the nodes that stand are nodes of it.",
    summary: "Run what did not end well again",
    description: "Of a run that failed, was cancelled or timed out: a new run in which every node that has ended stands as it is and makes no call.",
    request: { params: byId, headers: startHeaders, body: jsonBody(z.object(ofVersion), false) },
    responses: newRun,
  }),
  forkExecution: defineRoute({
    ...again,
    path: `${base}/{id}/fork`,
    operationId: "forkExecution",
    rules: "the version has no problems, and `from_node` and the nodes that are named are nodes of it.",
    summary: "Run one node and all behind it again",
    description:
      "Of any run, live or ended. Nodes that are neither `from_node` nor behind it and have ended stand as they are and make no call; the run itself is not touched.",
    request: {
      params: byId,
      headers: startHeaders,
      body: jsonBody(
        z
          .object({
            ...ofVersion,
            from_node: nodeId,
            iteration: iteration.nullish().openapi({ description: "Of `from_node`, where it stands in a loop; all of them where it is left out." }),
            inputs: optionalObject.openapi({ description: "Inputs of the new run, in place of those of the old." }),
            variables: optionalObject.openapi({ description: "Beside those of the old run." }),
            outputs: optionalObject.openapi({ description: "Outputs of nodes before, by id, in place of what they came to." }),
            routes: z.record(z.string(), z.string().max(MAX_ID_LENGTH)).nullish().openapi({ description: "By which way nodes before are left, by id." }),
            node_inputs: optionalObject.openapi({ description: "Inputs of `from_node`, beside those it has; for whoever may run graphs that are not stored." }),
          })
          .openapi("ForkRequest", { example: { from_node: "greet", inputs: { name: "Grace" } } }),
      ),
    },
    responses: newRun,
  }),
  replayExecution: defineRoute({
    ...again,
    path: `${base}/{id}/replay`,
    operationId: "replayExecution",
    rules: "the version has no problems.",
    summary: "Replay a run as a test",
    description:
      "Of a run that has ended: a new run in which all is evaluated anew, and calls and waits are answered from what was recorded. Nothing is called; `links.comparison` tells what came out differently.",
    request: { params: byId, headers: startHeaders, body: jsonBody(z.object(ofVersion), false) },
    responses: newRun,
  }),
  compareExecutions: defineRoute({
    method: "get",
    path: `${base}/{id}/comparison`,
    operationId: "compareExecutions",
    summary: "Compare a run with another",
    tags,
    access: needs("run.read"),
    problems: [404, 409, 422],
    request: {
      params: byId,
      query: z.object({ with: idParam.optional().openapi({ description: "The run before; the one it was forked from where it is left out." }) }),
    },
    responses: { 200: jsonReply("What is different.", comparison) },
  }),
  migrateExecution: defineRoute({
    ...command,
    method: "post",
    path: `${base}/{id}/migrate`,
    operationId: "migrateExecution",
    summary: "Move a live run to another version",
    description:
      "409 with the nodes that stand against it. Calls that are under way end first: where that takes longer than is waited for, the answer is 202, and `version` of the run says when it goes on by the other one; where the run ends with them, it stays with its version (409). `dry_run=true` only says whether it could be.",
    problems: [400, 404, 409, 422],
    request: { params: byId, query: z.object({ dry_run: flagQuery.optional() }), body: jsonBody(z.object({ version })) },
    responses: {
      200: jsonReply("It took effect; with `dry_run`, whether it could.", z.union([run, migrationCheck])),
      202: jsonReply("It is kept until what is under way has ended, or for a worker that is away.", run),
    },
  }),
  skipNode: defineRoute({
    ...onNode,
    method: "post",
    path: `${base}/{id}/nodes/{node_id}/skip`,
    operationId: "skipNode",
    summary: "Skip a node of a live run",
    request: { params: nodeParams, body: jsonBody(nodeBody, false) },
  }),
  retryNode: defineRoute({
    ...onNode,
    method: "post",
    path: `${base}/{id}/nodes/{node_id}/retry`,
    operationId: "retryNode",
    summary: "Make the next attempt of a node now",
    request: { params: nodeParams, body: jsonBody(nodeBody, false) },
  }),
  completeNode: defineRoute({
    ...onNode,
    method: "post",
    path: `${base}/{id}/nodes/{node_id}/complete`,
    operationId: "completeNode",
    rules:
      "`route` is one of the node's; who may not run other graphs (`run.ad_hoc`) decides nothing that named people are asked, and passes no such question over.",
    summary: "Say what a node of a live run comes to",
    request: { params: nodeParams, body: jsonBody(nodeBody.extend({ output: json.nullish(), route: z.string().min(1).max(MAX_ID_LENGTH).nullish() }), false) },
  }),
  sendEvent: defineRoute({
    ...onNode,
    method: "post",
    path: `${base}/{id}/events`,
    operationId: "sendEvent",
    summary: "Send a live run an event",
    request: {
      params: byId,
      body: jsonBody(z.object({ name: trimmedText(200), correlation: z.string().max(500).nullish(), payload: json.nullish() })),
    },
  }),
};
