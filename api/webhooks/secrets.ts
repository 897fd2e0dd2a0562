import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { JsonObject, TenantId } from "#core";
import type { NewWebhook, SealedBytes } from "#db";
import type { Payloads } from "#payloads";

/** What a webhook's calls are known by. */
export interface WebhookSecrets {
  /** `whk_` and 256 random bits. */
  token: string;
  /** Signs what callers send; of our making `whsec_` and 24 bytes in base64, as Standard Webhooks write it. */
  signing_secret: string;
  previous_token?: string;
  previous_signing_secret?: string;
  /** Until when the previous ones are good, ISO 8601. */
  previous_until?: string;
}

export interface WebhookVault {
  seal(tenant: TenantId, id: string, secrets: WebhookSecrets): Promise<SealedBytes>;
  /** @throws PerdureError `payload.unreadable`. */
  open(tenant: TenantId, webhook: SealedBytes & { id: string }): Promise<WebhookSecrets>;
  /** A webhook for a node, with secrets of its own. */
  make(tenant: TenantId, nodeId: string, config: JsonObject, signingSecret?: string): Promise<NewWebhook>;
  sealDelivery(tenant: TenantId, deliveryId: string, value: JsonObject): Promise<SealedBytes>;
  openDelivery(tenant: TenantId, deliveryId: string, sealed: SealedBytes): Promise<JsonObject>;
}

export function createWebhookVault(payloads: Pick<Payloads, "seal" | "open">): WebhookVault {
  const seal: WebhookVault["seal"] = (tenant, id, secrets) => payloads.seal(tenant, { kind: "webhook", id }, Buffer.from(JSON.stringify(secrets)));
  return {
    seal,
    open: async (tenant, webhook) => JSON.parse((await payloads.open(tenant, { kind: "webhook", id: webhook.id }, webhook)).toString("utf8")) as WebhookSecrets,
    async make(tenant, nodeId, config, signingSecret) {
      const id = `wh_${randomBytes(12).toString("hex")}`;
      const token = newToken();
      return { id, nodeId, config, tokenHash: hashOf(token), ...(await seal(tenant, id, { token, signing_secret: signingSecret ?? newSigningSecret() })) };
    },
    sealDelivery: (tenant, deliveryId, value) => payloads.seal(tenant, { kind: "webhook delivery", id: deliveryId }, Buffer.from(JSON.stringify(value))),
    openDelivery: async (tenant, deliveryId, sealed) =>
      JSON.parse((await payloads.open(tenant, { kind: "webhook delivery", id: deliveryId }, sealed)).toString("utf8")) as JsonObject,
  };
}

export function newToken(): string {
  return `whk_${randomBytes(32).toString("base64url")}`;
}

export function newSigningSecret(): string {
  return `whsec_${randomBytes(24).toString("base64")}`;
}

/** SHA-256, hexadecimal. Enough for a random token, which no dictionary can hold. */
export function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** Takes as long whatever the two are, where they are of one length. */
export function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
