import { z } from "@hono/zod-openapi";
import { isWebhookId } from "#core";
import { defineRoute, jsonBody, jsonReply, needs, WEBHOOK } from "./route.ts";
import { duration, flagQuery, id, idParam, json, jsonObject, momentParam, optionalObject, pageHeaders, pageQuery, timestamp } from "./values.ts";

const tags = ["webhooks"];
const base = "/api/v1/webhooks";
/** Where calls come in, whatever their method. */
const hooks = "/api/v1/hooks";

const webhookId = z.string().refine(isWebhookId, "is not the id of a webhook").openapi({ example: "wh_0f1e2d3c4b5a69788796a5b4" });
const config = jsonObject.openapi({
  description: "Settings as the inputs of the node `WebhookTrigger` (`GET /api/v1/nodes/WebhookTrigger`), defaults filled in.",
});
const byId = z.object({ id: webhookId });
const byDelivery = byId.extend({ delivery_id: idParam });

export const webhook = z
  .object({
    id: z.string(),
    webhook_id: z.string().openapi({ description: "The same as `id`." }),
    workflow_id: id,
    node_id: z.string(),
    webhook_url: z.string().openapi({ description: "Takes calls of every method." }),
    endpoint_path: z.string(),
    test_url: z.string().openapi({ description: "Calls of it start nothing; `GET …/stream` shows them." }),
    security_token: z.string().nullable().openapi({ description: "Only for those who may change webhooks." }),
    signing_secret: z.string().nullable().openapi({ description: "Only for those who may change webhooks." }),
    previous_token_valid_until: timestamp.nullable(),
    config,
    node_behavior: z.string(),
    is_active: z.boolean(),
    trigger_count: z.int().openapi({ description: "Calls that were let in." }),
    error_count: z.int().openapi({ description: "Those of them that were answered with 400 or more." }),
    avg_response_time_ms: z.int(),
    last_triggered: timestamp.nullable(),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .openapi("Webhook");

export const webhookDelivery = z
  .object({
    id,
    webhook_id: z.string(),
    kind: z.enum(["call", "test", "redelivery"]),
    execution_id: id.nullable(),
    is_repeat: z.boolean().openapi({ description: "Its key had come before; the run is that of the earlier delivery." }),
    redelivery_of: id.nullable(),
    event_type: z.string(),
    correlation_id: z.string(),
    request_method: z.string(),
    request_path: z.string(),
    request_query: jsonObject,
    request_headers: jsonObject.openapi({ description: "Without what is secret." }),
    payload: json.openapi({ description: "What was sent, without what is secret by its name; what is long stands there as its length." }),
    payload_bytes: z.int(),
    source_ip: z.string(),
    user_agent: z.string(),
    response_status: z.int().nullable().openapi({ description: "Null until it is answered." }),
    response_body: json,
    execution_time_ms: z.int().nullable(),
    error_message: z.string().nullable(),
    created_at: timestamp,
  })
  .openapi("WebhookDelivery");

export const webhookAnswer = z
  .object({
    success: z.boolean(),
    webhook_id: z.string(),
    delivery_id: id,
    execution_id: id.nullable(),
    status: z.string().openapi({ description: "Of the run; `test` where none was started." }),
    result: json.optional(),
    correlation_id: z.string(),
    message: z.string().optional(),
  })
  .openapi("WebhookAnswer");

/** Each event of the stream, its fields as an EventSource has them. */
const webhookStreamEvent = z
  .object({
    event: z.enum(["listening", "delivery"]),
    data: z.string().openapi({ description: "The webhook's URLs, or a `WebhookDelivery`, as JSON." }),
  })
  .openapi("WebhookStreamEvent");

const webhookInfo = z
  .object({
    webhook_id: z.string(),
    is_active: z.boolean(),
    authentication_required: z.boolean(),
    signature: z.string(),
    allowed_event_types: z.array(z.string()),
    max_payload_size: z.number(),
    rate_limit_per_minute: z.number(),
    webhook_timeout: z.number().openapi({ description: "Seconds." }),
    node_behavior: z.string(),
    methods: z.array(z.string()),
  })
  .openapi("WebhookInfo");

const written = {
  config: optionalObject,
  is_active: z.boolean().nullish(),
  signing_secret: z.string().min(8).max(500).nullish().openapi({ description: "Where the sender gives one out." }),
};
const changes = z.looseObject(written).openapi("WebhookChanges", { description: "Settings under `config`, or at the top level." });

const deliveryQuery = pageQuery.extend({
  from: momentParam.optional(),
  to: momentParam.optional(),
  errors: flagQuery.optional().openapi({ description: "Only those answered with 400 or more, or only the others." }),
});

const shown = { 200: jsonReply("The webhook.", webhook) };
const change = <const N extends string>(operationId: N, verb: "enable" | "disable") =>
  defineRoute({
    method: "post",
    path: `${base}/{id}/${verb}`,
    operationId,
    summary: verb === "enable" ? "Let a webhook take calls" : "Let a webhook take no calls",
    tags,
    access: needs("webhook.write"),
    problems: [404],
    request: { params: byId },
    responses: shown,
  });

const called = {
  tags,
  access: WEBHOOK,
  problems: [400, 403, 404, 409, 413, 422],
  request: { params: z.object({ id: z.string() }) },
  responses: {
    200: { description: "What the run's Respond node says; else the run's result.", content: { "application/json": { schema: webhookAnswer } } },
    202: jsonReply("It was taken, and the run goes on.", webhookAnswer),
  },
} as const;
const description =
  "With the webhook's token as `Authorization: Bearer …` or `X-Webhook-Token`, or signed. A call that is answered with 2xx has its run. Any content type: JSON and forms become values, files and bytes base64.";
const call = <const N extends string, const M extends "get" | "post" | "put" | "patch" | "delete">(operationId: N, method: M) =>
  defineRoute({ ...called, method, path: `${hooks}/{id}`, operationId, summary: "Call a webhook", description });
const testCall = <const N extends string, const M extends "get" | "post">(operationId: N, method: M) =>
  defineRoute({
    ...called,
    method,
    path: `${hooks}/{id}/test`,
    operationId,
    summary: "Try a webhook: shown to who watches it, starts nothing",
    responses: { 200: jsonReply("It came.", webhookAnswer) },
  });

export const webhookRoutes = {
  listWebhooks: defineRoute({
    method: "get",
    path: base,
    operationId: "listWebhooks",
    summary: "List the organization's webhooks",
    tags,
    access: needs("webhook.read"),
    problems: [400, 422],
    request: { query: pageQuery.extend({ workflow_id: idParam.optional(), active: flagQuery.optional() }) },
    responses: { 200: { ...jsonReply("One page, the newest first.", z.array(webhook)), headers: pageHeaders } },
  }),
  createWebhook: defineRoute({
    method: "post",
    path: base,
    operationId: "createWebhook",
    rules:
      "`node_id` is a webhook node of the version that calls run, or of the workflow's newest version, and `config` has settings of the node `WebhookTrigger` with values that it takes.",
    summary: "Make a webhook for a trigger node",
    description: "Saving a graph makes one for each of its webhook nodes; this is for a node whose webhook was deleted.",
    tags,
    access: needs("webhook.write"),
    problems: [400, 404, 409, 413, 422],
    request: { body: jsonBody(z.object({ workflow_id: idParam, node_id: z.string().min(1).max(200), ...written }).openapi("NewWebhook")) },
    responses: { 201: jsonReply("The webhook, with its URL and token.", webhook) },
  }),
  getWebhook: defineRoute({
    method: "get",
    path: `${base}/{id}`,
    operationId: "getWebhook",
    summary: "Read a webhook",
    tags,
    access: needs("webhook.read"),
    problems: [404],
    request: { params: byId },
    responses: shown,
  }),
  replaceWebhook: defineRoute({
    method: "put",
    path: `${base}/{id}`,
    operationId: "replaceWebhook",
    rules: "`config`, and what stands beside it, are settings of the node `WebhookTrigger` with values that it takes.",
    summary: "Replace a webhook's settings",
    description:
      "What is left out has its default. A setting that changes in the node is taken over again when that version is published; while nothing is published, when the graph is saved.",
    tags,
    access: needs("webhook.write"),
    problems: [400, 404, 409, 413, 422],
    request: { params: byId, body: jsonBody(changes) },
    responses: shown,
  }),
  updateWebhook: defineRoute({
    method: "patch",
    path: `${base}/{id}`,
    operationId: "updateWebhook",
    rules: "`config`, and what stands beside it, are settings of the node `WebhookTrigger` with values that it takes.",
    summary: "Change some of a webhook's settings",
    tags,
    access: needs("webhook.write"),
    problems: [400, 404, 409, 413, 422],
    request: { params: byId, body: jsonBody(changes) },
    responses: shown,
  }),
  deleteWebhook: defineRoute({
    method: "delete",
    path: `${base}/{id}`,
    operationId: "deleteWebhook",
    summary: "Delete a webhook for good",
    description: "Saving the graph does not bring it back; `POST /api/v1/webhooks` makes another.",
    tags,
    access: needs("webhook.write"),
    problems: [404],
    request: { params: byId },
    responses: { 204: { description: "It is gone." } },
  }),
  enableWebhook: change("enableWebhook", "enable"),
  disableWebhook: change("disableWebhook", "disable"),
  rotateWebhook: defineRoute({
    method: "post",
    path: `${base}/{id}/rotate`,
    operationId: "rotateWebhook",
    rules: "`overlap` is a duration of 30 days at most.",
    summary: "Give a webhook a new token",
    description: "The old one stays good for `overlap` (an hour, unless said). With `signing_secret` that is made anew as well.",
    tags,
    access: needs("webhook.write"),
    problems: [400, 404, 409, 413, 422],
    request: {
      params: byId,
      body: jsonBody(z.object({ overlap: duration.nullish(), signing_secret: z.boolean().nullish() }).openapi("WebhookRotation"), false),
    },
    responses: shown,
  }),
  listWebhookDeliveries: defineRoute({
    method: "get",
    path: `${base}/{id}/deliveries`,
    operationId: "listWebhookDeliveries",
    summary: "List what came in",
    tags,
    access: needs("webhook.read"),
    problems: [400, 404, 422],
    request: { params: byId, query: deliveryQuery },
    responses: { 200: { ...jsonReply("One page, the newest first.", z.array(webhookDelivery)), headers: pageHeaders } },
  }),
  getWebhookDelivery: defineRoute({
    method: "get",
    path: `${base}/{id}/deliveries/{delivery_id}`,
    operationId: "getWebhookDelivery",
    summary: "Read one delivery",
    tags,
    access: needs("webhook.read"),
    problems: [404],
    request: { params: byDelivery },
    responses: { 200: jsonReply("The delivery.", webhookDelivery) },
  }),
  redeliverWebhook: defineRoute({
    method: "post",
    path: `${base}/{id}/deliveries/{delivery_id}/redeliver`,
    operationId: "redeliverWebhook",
    rules: "the version that is served has no problems.",
    summary: "Deliver again what came in",
    description: "Starts another run with what was sent, on the version that is served now.",
    tags,
    access: needs("webhook.write"),
    problems: [404, 409, 422],
    request: { params: byDelivery },
    responses: { 201: jsonReply("The new delivery.", webhookDelivery) },
  }),
  streamWebhook: defineRoute({
    method: "get",
    path: `${base}/{id}/stream`,
    operationId: "streamWebhook",
    summary: "Watch calls come in",
    description: "Server-sent events: `listening` with the URLs, then `delivery` for each call, of the test URL too, when it comes and when it is answered.",
    tags,
    access: needs("webhook.read"),
    problems: [404],
    request: { params: byId },
    responses: { 200: { description: "The stream.", content: { "text/event-stream": { schema: webhookStreamEvent } } } },
  }),
  callWebhook: call("callWebhook", "post"),
  callWebhookGet: call("callWebhookGet", "get"),
  callWebhookPut: call("callWebhookPut", "put"),
  callWebhookPatch: call("callWebhookPatch", "patch"),
  callWebhookDelete: call("callWebhookDelete", "delete"),
  callTestWebhook: testCall("callTestWebhook", "post"),
  callTestWebhookGet: testCall("callTestWebhookGet", "get"),
  getWebhookInfo: defineRoute({
    method: "get",
    path: `${hooks}/{id}/info`,
    operationId: "getWebhookInfo",
    summary: "See what a webhook takes, as its caller",
    tags,
    access: WEBHOOK,
    problems: [403, 404],
    request: { params: z.object({ id: z.string() }) },
    responses: { 200: jsonReply("Without anything secret.", webhookInfo) },
  }),
};

export type WebhookJson = z.input<typeof webhook>;
export type WebhookDeliveryJson = z.input<typeof webhookDelivery>;
export type WebhookAnswerJson = z.input<typeof webhookAnswer>;
