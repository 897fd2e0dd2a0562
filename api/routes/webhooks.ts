import { isObject, type Json, type JsonObject, parseDuration, PerdureError, type TenantId } from "#core";
import type { Webhook } from "#db";
import type { ApiContext } from "../context.ts";
import type { Handlers, Request } from "../mount.ts";
import type { Routes } from "#contract";
import { pageHeadersOf, toPage } from "../paging.ts";
import { notFound } from "../problem.ts";
import { allows, type Principal } from "../security/principal.ts";
import type { Services } from "../services.ts";
import { liveDeliveries } from "../webhooks/live.ts";
import { createWebhookReceiver } from "../webhooks/receive.ts";
import { hashOf, newSigningSecret, newToken, type WebhookSecrets, type WebhookVault } from "../webhooks/secrets.ts";
import { checkSettings, timeoutMsOf, webhookNodes } from "../webhooks/settings.ts";
import { deliveryJson, webhookJson, webhookUrls } from "../webhooks/shown.ts";

type WebhookRoute =
  | "listWebhooks"
  | "createWebhook"
  | "getWebhook"
  | "replaceWebhook"
  | "updateWebhook"
  | "deleteWebhook"
  | "enableWebhook"
  | "disableWebhook"
  | "rotateWebhook"
  | "listWebhookDeliveries"
  | "getWebhookDelivery"
  | "redeliverWebhook"
  | "streamWebhook"
  | "callWebhook"
  | "callWebhookGet"
  | "callWebhookPut"
  | "callWebhookPatch"
  | "callWebhookDelete"
  | "callTestWebhook"
  | "callTestWebhookGet"
  | "getWebhookInfo";

/** How long the old token stays good when a new one is made. */
const OVERLAP_DEFAULT_MS = 60 * 60_000;
const OVERLAP_MAX_MS = 30 * 24 * 60 * 60_000;
/** Fields of a change that are no settings. */
const NO_SETTINGS = new Set(["config", "is_active", "signing_secret", "workflow_id", "node_id"]);

type Written = Record<string, unknown> & {
  config?: JsonObject | null | undefined;
  is_active?: boolean | null | undefined;
  signing_secret?: string | null | undefined;
};

export function webhookHandlers(services: Services, vault: WebhookVault): Handlers<WebhookRoute> {
  const { db, settings, shutdown, logger } = services;
  const { webhooks } = db;
  const receiver = createWebhookReceiver(services, vault);
  const receive = ({ c }: { c: ApiContext }): Promise<Response> => receiver.receive(c, c.get("webhookCall"));
  const receiveTest = ({ c }: { c: ApiContext }): Promise<Response> => receiver.receiveTest(c, c.get("webhookCall"));

  async function existing(tenant: TenantId, id: string): Promise<Webhook> {
    const found = await webhooks.get(tenant, id);
    if (!found) throw notFound("webhook");
    return found;
  }

  /** With its token where the caller may change it. */
  async function toJson(webhook: Webhook, principal: Principal, c: ApiContext) {
    const secrets = allows(principal, "webhook.write") ? await vault.open(webhook.tenantId, webhook) : undefined;
    return webhookJson(webhook, webhookUrls(webhook.id, settings, c.req.url), secrets);
  }

  async function shown(webhook: Webhook | undefined, principal: Principal, c: ApiContext) {
    if (!webhook) throw notFound("webhook");
    return { status: 200 as const, body: await toJson(webhook, principal, c) };
  }

  async function setSecrets(webhook: Webhook, secrets: WebhookSecrets): Promise<Webhook | undefined> {
    const { previous_token: previous, previous_until: until } = secrets;
    return webhooks.setSecrets(webhook.tenantId, webhook.id, {
      tokenHash: hashOf(secrets.token),
      previousTokenHash: previous === undefined ? null : hashOf(previous),
      previousUntil: until === undefined ? null : new Date(until),
      ...(await vault.seal(webhook.tenantId, webhook.id, secrets)),
      before: webhook.sealed,
    });
  }

  async function change({ id, body, principal, c, keeps }: { id: string; body: Written; principal: Principal; c: ApiContext; keeps: boolean }) {
    const webhook = await existing(principal.tenantId, id);
    const given = settingsIn(body);
    const config = given && { ...(keeps ? webhook.config : {}), ...checkSettings(given) };
    const secret = body.signing_secret;
    if (secret != null) await setSecrets(webhook, { ...(await vault.open(webhook.tenantId, webhook)), signing_secret: secret });
    return shown(
      await webhooks.update(principal.tenantId, id, { ...(config && { config }), ...(body.is_active != null && { isActive: body.is_active }) }),
      principal,
      c,
    );
  }

  const switched =
    (isActive: boolean) =>
    async ({ params, principal, c }: Pick<Request<Routes["enableWebhook"]>, "params" | "principal" | "c">) =>
      shown(await webhooks.update(principal.tenantId, params.id, { isActive }), principal, c);

  return {
    async listWebhooks({ query, principal, c }) {
      const filter = {
        ...(query.workflow_id !== undefined && { workflowId: query.workflow_id }),
        ...(query.active !== undefined && { isActive: query.active }),
      };
      const page = await webhooks.list(principal.tenantId, filter, toPage(query));
      return { status: 200, body: await Promise.all(page.rows.map((row) => toJson(row, principal, c))), headers: pageHeadersOf(c, page) };
    },

    async createWebhook({ body, principal, c }) {
      const { tenantId } = principal;
      const found = await db.workflows.get(tenantId, body.workflow_id);
      if (!found) throw notFound("workflow");
      const served = await webhooks.served(tenantId, body.workflow_id);
      const named = (graph: Json | undefined) => webhookNodes(graph).find(({ id }) => id === body.node_id);
      const node = named(served?.version.graph) ?? named(found.version.graph);
      if (!node) {
        throw new PerdureError("validation.failed", "The request is not valid.", {
          findings: [{ code: "validation.node", message: "names no webhook node of the workflow", path: "node_id" }],
        });
      }
      const config = { ...node.inputs, ...checkSettings(body.config ?? {}) };
      const made = await vault.make(tenantId, node.id, config, body.signing_secret ?? undefined);
      const created = await webhooks.create(tenantId, body.workflow_id, made, node.inputs);
      const active = body.is_active === false ? await webhooks.update(tenantId, created.id, { isActive: false }) : created;
      return { status: 201, body: await toJson(active ?? created, principal, c) };
    },

    getWebhook: async ({ params, principal, c }) => shown(await webhooks.get(principal.tenantId, params.id), principal, c),
    replaceWebhook: ({ params, body, principal, c }) => change({ id: params.id, body, principal, c, keeps: false }),
    updateWebhook: ({ params, body, principal, c }) => change({ id: params.id, body, principal, c, keeps: true }),

    async deleteWebhook({ params, principal }) {
      if (!(await webhooks.remove(principal.tenantId, params.id))) throw notFound("webhook");
      return { status: 204, body: undefined };
    },

    enableWebhook: switched(true),
    disableWebhook: switched(false),

    async rotateWebhook({ params, body, principal, c }) {
      const webhook = await existing(principal.tenantId, params.id);
      const overlapMs = overlapOf(body?.overlap);
      const now = await vault.open(webhook.tenantId, webhook);
      const isSigningToo = body?.signing_secret === true;
      const rotated: WebhookSecrets = {
        token: newToken(),
        signing_secret: isSigningToo ? newSigningSecret() : now.signing_secret,
        ...(overlapMs > 0 && {
          previous_token: now.token,
          ...(isSigningToo && { previous_signing_secret: now.signing_secret }),
          previous_until: new Date(Date.now() + overlapMs).toISOString(),
        }),
      };
      return shown(await setSecrets(webhook, rotated), principal, c);
    },

    async listWebhookDeliveries({ params, query, principal, c }) {
      await existing(principal.tenantId, params.id);
      const { from, to } = query;
      const filter = { ...(from && { from }), ...(to && { to }), ...(query.errors !== undefined && { isError: query.errors }) };
      const page = await webhooks.deliveries(principal.tenantId, params.id, filter, toPage(query));
      return { status: 200, body: page.rows.map(deliveryJson), headers: pageHeadersOf(c, page) };
    },

    async getWebhookDelivery({ params, principal }) {
      const found = await webhooks.delivery(principal.tenantId, params.id, params.delivery_id);
      if (!found) throw notFound("delivery");
      return { status: 200, body: deliveryJson(found) };
    },

    async redeliverWebhook({ params, principal, c }) {
      const webhook = await existing(principal.tenantId, params.id);
      const id = await receiver.redeliver(c, principal.tenantId, webhook, params.delivery_id);
      const delivery = await webhooks.delivery(principal.tenantId, params.id, id);
      if (!delivery) throw notFound("delivery");
      return { status: 201, body: deliveryJson(delivery) };
    },

    async streamWebhook({ params, principal, c }) {
      const { id } = await existing(principal.tenantId, params.id);
      const { url, testUrl } = webhookUrls(id, settings, c.req.url);
      const greeting = { webhook_id: id, webhook_url: url, test_url: testUrl };
      return liveDeliveries({
        db,
        tenantId: principal.tenantId,
        webhookId: id,
        greeting,
        over: [c.req.raw.signal, shutdown],
        reauthorize: c.get("reauthorize"),
        reauthorizeIntervalMs: settings.STREAM_REAUTHORIZE_INTERVAL_MS,
        onError: (error) => logger.warn({ err: error, webhook_id: id }, "who watches a webhook could not be confirmed"),
      });
    },

    callWebhook: receive,
    callWebhookGet: receive,
    callWebhookPut: receive,
    callWebhookPatch: receive,
    callWebhookDelete: receive,
    callTestWebhook: receiveTest,
    callTestWebhookGet: receiveTest,

    getWebhookInfo({ c }) {
      const { webhook, settings: own } = c.get("webhookCall");
      return {
        status: 200,
        body: {
          webhook_id: webhook.id,
          is_active: webhook.isActive,
          authentication_required: own.authentication_required || own.signature !== "none",
          signature: own.signature,
          allowed_event_types: own.allowed_event_types,
          max_payload_size: own.max_payload_size,
          rate_limit_per_minute: own.rate_limit_per_minute,
          webhook_timeout: timeoutMsOf(own) / 1000,
          node_behavior: own.node_behavior,
          methods: ["GET", "POST", "PUT", "PATCH", "DELETE"],
        },
      };
    },
  };
}

/** Settings under `config`, or at the top level; undefined where none were sent. */
function settingsIn(body: Written): JsonObject | undefined {
  const loose = Object.entries(body).filter(([name]) => !NO_SETTINGS.has(name)) as [string, Json][];
  if (loose.length === 0 && !isObject(body.config)) return undefined;
  return { ...Object.fromEntries(loose), ...body.config };
}

function overlapOf(overlap: string | number | null | undefined): number {
  const ms = overlap == null ? OVERLAP_DEFAULT_MS : parseDuration(overlap);
  if (ms !== undefined && ms <= OVERLAP_MAX_MS) return ms;
  throw new PerdureError("validation.failed", "The request is not valid.", {
    findings: [
      {
        code: "validation.duration",
        message: 'is not a duration of at most 30 days: write "1h", "2 days", an ISO 8601 duration, or a number of seconds',
        path: "overlap",
      },
    ],
  });
}
