import { z } from "@hono/zod-openapi";
import { NODE_STATUSES } from "#core";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { duration, id, idParam, json, momentParam, optionalObject, pageHeaders, pageQuery, timestamp } from "./values.ts";

const tags = ["http"];
const base = "/api/v1/tools/http";

/** Longest URL of a test, in characters: more than browsers and servers take. */
const URL_MAX = 8_192;

const proof = z.string().max(8_192);
const auth = z.discriminatedUnion("type", [
  z.object({ type: z.literal("none") }),
  z.object({ type: z.literal("bearer"), token: proof }),
  z.object({ type: z.literal("basic"), username: proof, password: proof }),
  z.object({ type: z.literal("api_key"), name: z.string().min(1).max(200), value: proof, in: z.enum(["header", "query"]).default("header") }),
]);

const httpTest = z
  .object({
    url: z.string().min(1).max(URL_MAX).openapi({ description: "Absolute, with http or https." }),
    method: z.enum(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]).nullish().openapi({ description: "GET where it is left out." }),
    headers: z.record(z.string(), z.string()).nullish(),
    query: optionalObject.openapi({ description: "Added to the query of the URL; a list repeats its name." }),
    body: json.optional().openapi({ description: "Text as it is, anything else as JSON." }),
    auth: auth.nullish().openapi({ description: "How the request proves who sends it, as the inputs of the node have it." }),
    timeout: duration.nullish().openapi({ description: "Of the whole exchange; `HTTP_TEST_TIMEOUT_MS` at most, and where it is left out." }),
    follow_redirects: z.boolean().nullish(),
    verify_tls: z.boolean().nullish(),
    response_type: z.enum(["auto", "json", "text", "binary"]).nullish(),
  })
  .openapi("HttpTest");

const httpTestResult = z
  .object({
    status: z.int().nullable().openapi({ description: "HTTP status, of 400 and more too; null where nothing was answered, or nothing that could be read." }),
    headers: z.record(z.string(), z.string()).openapi({ description: "Of the answer, names in lower case." }),
    body: json.nullable().openapi({ description: "As the node's output has it: JSON, text, or `{encoding: base64, content_type, data}`." }),
    elapsed_ms: z.number(),
    error: z
      .object({ code: z.string(), message: z.string(), retryable: z.boolean() })
      .nullable()
      .openapi({ description: "Why there is no answer: what a node would have failed with, `outbound.refused` or `network.timed_out` for example." }),
  })
  .openapi("HttpTestResult");

const loggedHttpRequest = z
  .object({
    execution_id: id,
    workflow_id: id.nullable().openapi({ description: "Null of ad-hoc runs." }),
    workflow_name: z.string(),
    node_id: z.string(),
    name: z.string().openapi({ description: "The node's own." }),
    iteration: z.string().openapi({ description: "Empty outside loops." }),
    status: z.enum(NODE_STATUSES).openapi({ description: "Of the node." }),
    attempt: z.int().openapi({ description: "The last one, which is the one that is told of; those before it failed." }),
    method: z.string().nullable(),
    url: z.string().nullable().openapi({
      description: "As the node was given it, with the names of secrets for their values and without `query`. Null where inputs are not kept any more.",
    }),
    status_code: z.int().nullable().openapi({ description: "What was answered; null where nothing was." }),
    error_code: z.string().nullable(),
    error_message: z.string().nullable(),
    started_at: timestamp,
    completed_at: timestamp.nullable(),
    duration_ms: z.number().nullable(),
  })
  .openapi("LoggedHttpRequest");

export type LoggedHttpRequestJson = z.output<typeof loggedHttpRequest>;

export const httpToolRoutes = {
  testHttpRequest: defineRoute({
    method: "post",
    path: `${base}/test`,
    operationId: "testHttpRequest",
    rules: "`url` is an absolute URL, `timeout` is a duration, names and values of headers are such as HTTP allows, and nothing names a secret.",
    summary: "Send one HTTP request, as a node would, and see the answer",
    description:
      "Sent by the node's own code through the same guard: private networks and hosts outside the organization's list are out of reach, and sizes are limited. Nothing is stored. Templates are sent as they stand; `{{secrets.NAME}}` is refused, since it is filled in within runs only. A request that fails is an answer too: 200 with `error`.",
    tags,
    access: needs("run.ad_hoc"),
    problems: [400, 413, 422],
    request: { body: jsonBody(httpTest) },
    responses: { 200: jsonReply("What came of it.", httpTestResult) },
  }),
  listHttpRequests: defineRoute({
    method: "get",
    path: `${base}/logs`,
    operationId: "listHttpRequests",
    summary: "List what HTTP request nodes did",
    description:
      "One row for each node and iteration that began, as long as the rows of nodes are kept. Requests of custom node types, of code and of tests are not listed.",
    tags,
    access: needs("run.read"),
    problems: [422],
    request: {
      query: pageQuery.extend({
        workflow_id: idParam.optional(),
        node_id: z.string().min(1).max(200).optional(),
        from: momentParam.optional(),
        to: momentParam.optional(),
      }),
    },
    responses: { 200: { ...jsonReply("One page, the newest first.", z.array(loggedHttpRequest)), headers: pageHeaders } },
  }),
};
