import { createHash } from "node:crypto";
import { isClosed, isObject, type Json, type JsonObject, PerdureError, type TenantId, toFailureValue, uuidv7 } from "#core";
import type { Answered } from "#db";
import { compileText, type Plan } from "#graph";
import { evaluate } from "#graph/runtime";
import type { NewWebhookDelivery, Run } from "#runs";
import type { WebhookAnswerJson } from "#contract/webhooks.ts";
import { readBytes } from "../body.ts";
import { type ApiContext, clientAddress, userAgent } from "../context.ts";
import { notFound } from "../problem.ts";
import type { Services } from "../services.ts";
import { answerOf, nodeResponse, respondNodes } from "./answer.ts";
import { countCall } from "./count-call.ts";
import type { WebhookCall } from "./door.ts";
import { firstAbort } from "./first-abort.ts";
import type { WebhookVault } from "./secrets.ts";
import { eventTypeOf, fieldsOf, headersOf, readSent, type SentBody } from "./sent-value.ts";
import { timeoutMsOf } from "./settings.ts";
import { logged } from "./shown.ts";

/** Headers by which senders name a delivery, where the webhook names no other. */
const DELIVERY_HEADERS = [
  "idempotency-key",
  "webhook-id",
  "x-webhook-delivery",
  "x-webhook-id",
  "x-delivery-id",
  "x-shopify-webhook-id",
  "x-gitlab-event-uuid",
];
/** Longest value that names a delivery. */
const KEY_MAX_LENGTH = 1_000;

/** A call that was read. */
interface Sent extends SentBody {
  readonly id: string;
  readonly eventType: string;
  readonly bodyBytes: number;
  readonly query: JsonObject;
  readonly headers: JsonObject;
}

interface Answer {
  response: Response;
  shown: Json;
}

export interface WebhookReceiver {
  /** Takes a call: starts its run, or finds the one that the call started before, and answers as the webhook says. */
  receive(c: ApiContext, call: WebhookCall): Promise<Response>;
  /** Shows a call to who watches the webhook; starts nothing. */
  receiveTest(c: ApiContext, call: WebhookCall): Promise<Response>;
  /** Starts another run with what a delivery brought. Returns the new delivery's id. */
  redeliver(c: ApiContext, tenant: TenantId, webhook: { id: string; workflowId: string; nodeId: string }, deliveryId: string): Promise<string>;
}

type Used = Pick<Services, "db" | "runs" | "events" | "settings" | "logger" | "shutdown" | "metrics">;

export function createWebhookReceiver({ db, runs, events, settings, logger, shutdown, metrics }: Used, vault: WebhookVault): WebhookReceiver {
  const { webhooks } = db;

  async function read(c: ApiContext, { maxBytes, body: known }: WebhookCall, id: string): Promise<Sent> {
    const bytes = known ?? (await readBytes(c, maxBytes));
    const { headers } = c.req.raw;
    const query = fieldsOf(new URL(c.req.url).searchParams);
    const sent = await readSent(bytes, headers.get("content-type") ?? undefined);
    return { id, ...sent, query, headers: headersOf(headers), eventType: eventTypeOf(headers, sent.body), bodyBytes: bytes.length };
  }

  /** What the log of deliveries shows of a call; of one that could not be read, that it came. */
  function deliveryOf(c: ApiContext, webhookId: string, id: string, sent: Sent | undefined, kind: "call" | "test"): NewWebhookDelivery {
    const { search, pathname } = new URL(c.req.url);
    const show = (value: Json): Json => logged(value, settings.WEBHOOK_LOGGED_MAX_BYTES);
    const files = (sent?.files ?? []).map((file) => ({ ...(file as JsonObject), base64: "[left out]" }));
    return {
      id,
      webhookId,
      kind,
      redeliveryOf: null,
      eventType: sent?.eventType ?? "",
      method: c.req.method,
      path: pathname,
      query: asObject(show(sent?.query ?? fieldsOf(new URLSearchParams(search)))),
      headers: asObject(show(sent?.headers ?? headersOf(c.req.raw.headers))),
      body: show(sent === undefined ? null : files.length > 0 && isObject(sent.body) ? { ...(sent.body as JsonObject), files } : sent.body),
      bodyBytes: sent?.bodyBytes ?? 0,
      sourceIp: clientAddress(c),
      userAgent: userAgent(c),
      correlationId: c.get("correlationId"),
    };
  }

  async function served(tenant: TenantId, webhook: { workflowId: string; nodeId: string }) {
    const found = await webhooks.served(tenant, webhook.workflowId);
    const plan: Plan | null | undefined = found?.version.plan;
    if (!found || !plan) throw new PerdureError("graph.invalid", "The workflow has no version that can run.");
    if (!plan.entries.triggers.includes(webhook.nodeId)) throw notFound("webhook");
    return { workflow: found.workflow, version: found.version.version, plan };
  }

  async function start(
    tenant: TenantId,
    webhook: { id: string; nodeId: string },
    { workflow, version, plan }: Awaited<ReturnType<typeof served>>,
    inputs: JsonObject,
    delivery: NewWebhookDelivery,
    key: string | undefined,
  ) {
    const { run, created } = await runs.start(tenant, {
      workflowId: workflow.id,
      workflowName: workflow.name,
      version,
      plan,
      inputs,
      variables: {},
      entries: [webhook.nodeId],
      trigger: "webhook",
      createdBy: null,
      delivery: { ...delivery, ...(await vault.sealDelivery(tenant, delivery.id, inputs)) },
      ...(key !== undefined && { idempotency: { key: startKey(webhook.id, key), requestHash: "webhook" } }),
    });
    return { run, plan, created };
  }

  async function wait(c: ApiContext, { settings: own }: WebhookCall, run: Run, plan: Plan) {
    if (own.response_mode === "accepted") return { kind: "run" as const, run };
    const timeoutMs = Math.min(timeoutMsOf(own), settings.RUN_WAIT_MAX_MS);
    const over = firstAbort([c.req.raw.signal, shutdown]);
    try {
      return await answerOf(run, { runs, events, nodes: respondNodes(plan), timeoutMs, over: over.signal });
    } finally {
      over.release();
    }
  }

  async function take(c: ApiContext, call: WebhookCall, sent: Sent, delivery: NewWebhookDelivery): Promise<Answer> {
    const { webhook, settings: own, signature } = call;
    refuseOrigin(c, call);
    if (own.allowed_event_types.length > 0 && !own.allowed_event_types.includes(sent.eventType)) {
      throw new PerdureError("validation.failed", `The webhook takes no events of the type ${JSON.stringify(sent.eventType)}.`);
    }
    const challenge = challengeOf(call, sent.body);
    if (challenge !== undefined) {
      await webhooks.record(webhook.tenantId, delivery);
      return json(200, { challenge });
    }
    // Before anything is fed: a webhook that only a draft has reaches no run.
    const current = await served(webhook.tenantId, webhook);
    const inputs: JsonObject = {
      method: c.req.method,
      headers: sent.headers,
      query: sent.query,
      body: sent.body,
      files: sent.files,
      event_type: sent.eventType,
      delivery_id: sent.id,
    };
    const key = signature?.deliveryId ?? nameOf(own.deduplication_key, inputs, c.req.raw.headers);
    const fed = own.node_behavior === "start_only" ? undefined : await feed(call, sent, c.req.raw.headers, delivery, key);
    if (fed) return runResponse(c, webhook.id, sent.id, fed);
    if (own.node_behavior === "trigger_only") throw new PerdureError("run.state", "No run waits for this event, and the webhook starts none.");
    const taken = { ...delivery, ...(signature?.once && { signature: signature.once }) };
    const { run, plan, created } = await start(webhook.tenantId, webhook, current, inputs, taken, key);
    // Another call of this key has fed the run meanwhile: its answer is not this call's.
    const isFed = !created && key !== undefined && (await webhooks.fed(webhook.tenantId, webhook.id, startKey(webhook.id, key))) !== undefined;
    if (isFed) return runResponse(c, webhook.id, sent.id, run);
    const answer = await wait(c, call, run, plan);
    return answer.kind === "node" ? nodeResponse(answer.value) : runResponse(c, webhook.id, sent.id, answer.run);
  }

  /**
   * Hands the call to a run that waits for an event of its type, or finds the run that it was handed to before. Undefined where none waits. The event is
   * kept for a run that no worker has at the moment.
   */
  async function feed(
    { webhook, signature }: WebhookCall,
    { eventType, body }: Sent,
    headers: Headers,
    delivery: NewWebhookDelivery,
    name: string | undefined,
  ) {
    const { tenantId: tenant, id, workflowId } = webhook;
    // Of a signature that may be taken once the key is the signature: what waited for the first is not told again.
    const named = name ?? signature?.once?.hash;
    const key = named === undefined ? undefined : startKey(id, named);
    const correlation = correlationOf(headers, body);
    // In this order: where another call of this key has ended the wait, that call is found.
    const runId = await webhooks.waiting(tenant, workflowId, eventType, correlation);
    const repeated = await repeatOf();
    if (repeated || runId === undefined) return repeated;
    // What has started a run is no news to one that waits, and least of all to the run that it started; another call of this key may have been first.
    const start = { idempotencyKey: name === undefined ? undefined : key, signatureHash: signature?.once?.hash };
    if (await webhooks.started(tenant, id, start)) return repeatOf();
    const event = { kind: "send_event" as const, name: eventType, ...(correlation !== undefined && { correlation }), payload: body };
    try {
      const call = { delivery: { ...delivery, ...(signature?.once && { signature: signature.once }) }, key };
      return (await runs.command(tenant, runId, event, id, undefined, call)).run;
    } catch (error) {
      if (error instanceof PerdureError && error.code === "resource.conflict") return repeatOf();
      throw error;
    }

    async function repeatOf(): Promise<Run | undefined> {
      const earlier = key === undefined ? undefined : await webhooks.fed(tenant, id, key);
      if (earlier === undefined) return undefined;
      await webhooks.record(tenant, delivery, earlier);
      return db.runs.get(tenant, earlier);
    }
  }

  /** Notes what a call was answered. What cannot be noted is not worth failing a call that has its run. */
  async function finish(tenant: TenantId, deliveryId: string, answered: Answered): Promise<void> {
    try {
      await webhooks.finish(tenant, deliveryId, answered);
    } catch (error) {
      logger.warn({ err: error, delivery_id: deliveryId }, "the answer to a webhook's call was not noted");
    }
  }

  /** A call that was let in is in the log, also where it is refused. */
  async function handle(
    c: ApiContext,
    call: WebhookCall,
    kind: "call" | "test",
    work: (sent: Sent, delivery: NewWebhookDelivery) => Promise<Answer>,
  ): Promise<Response> {
    const startedAt = performance.now();
    const { tenantId, id: webhookId } = call.webhook;
    const id = uuidv7();
    let delivery: NewWebhookDelivery | undefined;
    try {
      const sent = await read(c, call, id);
      delivery = deliveryOf(c, webhookId, id, sent, kind);
      const { response, shown } = await work(sent, delivery);
      await finish(tenantId, id, {
        status: response.status,
        body: logged(shown, settings.WEBHOOK_LOGGED_MAX_BYTES),
        durationMs: performance.now() - startedAt,
      });
      allowOrigin(c, call, response.headers);
      countCall(metrics, webhookId, response.status);
      return response;
    } catch (error) {
      const { code, message } = toFailureValue(error);
      const status = error instanceof PerdureError ? error.status : 500;
      countCall(metrics, webhookId, status);
      try {
        // Where the run was stored the delivery was too; another of its id changes nothing.
        await webhooks.record(tenantId, delivery ?? deliveryOf(c, webhookId, id, undefined, kind));
      } catch (cause) {
        logger.warn({ err: cause, delivery_id: id }, "a call of a webhook that was refused was not noted");
      }
      await finish(tenantId, id, { status, body: null, errorCode: code, errorMessage: message, durationMs: performance.now() - startedAt });
      throw error;
    }
  }

  return {
    receive: (c, call) => handle(c, call, "call", (sent, delivery) => take(c, call, sent, delivery)),

    receiveTest: (c, call) =>
      handle(c, call, "test", async (sent, delivery) => {
        await webhooks.record(call.webhook.tenantId, delivery);
        const body: WebhookAnswerJson = {
          success: true,
          webhook_id: call.webhook.id,
          delivery_id: sent.id,
          execution_id: null,
          status: "test",
          correlation_id: c.get("correlationId"),
          message: "It was shown to those who watch the webhook. No run was started.",
        };
        return json(200, body);
      }),

    async redeliver(c, tenant, webhook, deliveryId) {
      const earlier = await webhooks.delivery(tenant, webhook.id, deliveryId);
      if (!earlier) throw notFound("delivery");
      const { keyVersion, sealed, ...shown } = earlier;
      if (keyVersion === undefined || sealed === undefined)
        throw new PerdureError("resource.conflict", "Nothing is kept of this delivery that could be delivered again.");
      const id = uuidv7();
      const inputs = { ...(await vault.openDelivery(tenant, deliveryId, { keyVersion, sealed })), delivery_id: id };
      const startedAt = performance.now();
      const delivery: NewWebhookDelivery = { ...shown, id, kind: "redelivery", redeliveryOf: deliveryId, correlationId: c.get("correlationId") };
      const { run } = await start(tenant, webhook, await served(tenant, webhook), inputs, delivery, undefined);
      await finish(tenant, id, { status: 202, body: { execution_id: run.id }, durationMs: performance.now() - startedAt });
      return id;
    },
  };
}

/** How the run stands, as an answer: nothing of why it failed, which is for its owners to know. */
function runResponse(c: ApiContext, webhookId: string, deliveryId: string, run: Run): Answer {
  const common = { webhook_id: webhookId, delivery_id: deliveryId, execution_id: run.id, status: run.status, correlation_id: c.get("correlationId") };
  if (!isClosed(run.status)) return json(202, { success: true, ...common, message: "The call was taken; its run goes on." });
  if (run.status === "completed") return json(200, { success: true, ...common, result: run.outputs });
  return json(500, { success: false, ...common, message: "The run did not complete." });
}

function json(status: number, body: JsonObject | WebhookAnswerJson): Answer {
  return { response: new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } }), shown: body as JsonObject };
}

/** What names the call among those of the webhook. @throws PerdureError `template.missing`, `expression.failed` where the template does not fit what was sent. */
function nameOf(key: string, inputs: JsonObject, headers: Headers): string | undefined {
  if (key === "")
    return DELIVERY_HEADERS.map((name) => headers.get(name))
      .find(Boolean)
      ?.slice(0, KEY_MAX_LENGTH);
  if (!key.includes("{{")) return headers.get(key)?.slice(0, KEY_MAX_LENGTH) || undefined;
  const { value } = evaluate(compileText(key).compiled, { input: inputs, inputs, variables: {}, run: {}, errors: {}, node: () => ({ state: "absent" }) });
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text === "" || text === "null") throw new PerdureError("validation.failed", "The call has no value for the webhook's deduplication key.");
  return text.slice(0, KEY_MAX_LENGTH);
}

/** What tells events of one type apart, where the sender says so. */
function correlationOf(headers: Headers, body: Json): string | undefined {
  const { correlation, correlation_id: id, correlation_key: key } = isObject(body) ? (body as JsonObject) : {};
  const found = [headers.get("x-webhook-correlation"), correlation, id, key].find((value) => typeof value === "string" && value !== "");
  return typeof found === "string" ? found.slice(0, KEY_MAX_LENGTH) : undefined;
}

/** Slack asks a new URL to say back a challenge. */
function challengeOf({ settings }: WebhookCall, body: Json): string | undefined {
  if (settings.signature !== "slack" || !isObject(body) || body["type"] !== "url_verification") return undefined;
  return typeof body["challenge"] === "string" ? body["challenge"] : undefined;
}

function mayOrigin({ settings }: WebhookCall, origin: string): boolean {
  return settings.enable_cors && (settings.cors_origins.includes("*") || settings.cors_origins.includes(origin));
}

/** A page's call is refused before it does anything, not only kept from the page. */
function refuseOrigin(c: ApiContext, call: WebhookCall): void {
  const origin = c.req.header("origin");
  if (origin !== undefined && !mayOrigin(call, origin)) throw new PerdureError("auth.forbidden", "Pages of this origin may not call the webhook.");
}

function allowOrigin(c: ApiContext, call: WebhookCall, headers: Headers): void {
  const origin = c.req.header("origin");
  if (origin === undefined || !mayOrigin(call, origin)) return;
  headers.set("access-control-allow-origin", call.settings.cors_origins.includes("*") ? "*" : origin);
  headers.append("vary", "origin");
}

function asObject(value: Json): JsonObject {
  return isObject(value) ? (value as JsonObject) : {};
}

/** Of the run that a call of this name starts. */
function startKey(webhookId: string, name: string): string {
  return `webhook:${webhookId}:${sha256(name)}`;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
