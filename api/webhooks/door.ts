import { isWebhookId, PerdureError } from "#core";
import type { CalledWebhook, Webhooks } from "#db";
import type { Metrics } from "#telemetry";
import { readBytes } from "../body.ts";
import { type ApiContext, clientAddress } from "../context.ts";
import { isWithin } from "../limits/addresses.ts";
import type { RouteLimits } from "../limits/route-limits.ts";
import { notFound } from "../problem.ts";
import { countCall } from "./count-call.ts";
import { hashOf, isSame, type WebhookVault } from "./secrets.ts";
import { settingsOf, type WebhookSettings } from "./settings.ts";
import { type TakenSignature, verifySignature } from "./signatures.ts";

/** A call that was let in. */
export interface WebhookCall {
  readonly webhook: CalledWebhook;
  readonly settings: WebhookSettings;
  /** Largest body it may have, in bytes. */
  readonly maxBytes: number;
  /** Where the body was read to check its signature. */
  readonly body?: Buffer;
  readonly signature?: TakenSignature;
}

export interface WebhookDoor {
  /**
   * Who calls a webhook proves to know its token or signing secret. The webhook named in the path says whose it is, nothing else does.
   * @throws PerdureError `auth.invalid` – the same, after the same work, for a webhook that is not there, and for a signed call from an address that may not
   *   call, whose body is left unread; `auth.forbidden` from such an address with the token, `resource.not_found` where it is disabled, `rate.limited`, `request.too_large`.
   */
  confirm(c: ApiContext): Promise<WebhookCall>;
}

const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i;
/** What a call of no webhook is checked against. */
const NOBODYS_ID = "wh_000000000000000000000000";
const NOBODYS_HASH = hashOf("");
const TOKEN_HEADER = "x-webhook-token";

export interface WebhookDoorOptions {
  readonly rows: Pick<Webhooks, "called">;
  readonly vault: Pick<WebhookVault, "open">;
  readonly limits: Pick<RouteLimits, "called">;
  readonly metrics: Pick<Metrics, "count">;
  /** WEBHOOK_BODY_MAX_BYTES. */
  readonly bodyMaxBytes: number;
}

/** The one place that decides who may call a webhook. */
export function createWebhookDoor({ rows, vault, limits, metrics, bodyMaxBytes }: WebhookDoorOptions): WebhookDoor {
  return {
    async confirm(c) {
      const id = c.req.param("id") ?? "";
      const webhook = await rows.called(isWebhookId(id) ? id : NOBODYS_ID);
      try {
        return await admit(c, webhook);
      } catch (error) {
        if (webhook) countCall(metrics, webhook.id, error instanceof PerdureError ? error.status : 500);
        throw error;
      }
    },
  };

  async function admit(c: ApiContext, webhook: CalledWebhook | undefined): Promise<WebhookCall> {
    const settings = settingsOf(webhook?.config ?? {});
    const maxBytes = Math.min(settings.max_payload_size * 1024, bodyMaxBytes);
    const isFromAllowed = settings.allowed_ips.length === 0 || isWithin(clientAddress(c), settings.allowed_ips);
    const proof = settings.signature === "none" ? {} : isFromAllowed ? await signed(c, webhook, settings.signature, settings, maxBytes) : undefined;
    const isOpen = webhook !== undefined && settings.signature === "none" && !settings.authentication_required;
    const isProven = settings.signature === "none" ? hasToken(c, webhook) : proof !== undefined;
    if (!webhook || (!isProven && !isOpen))
      throw new PerdureError("auth.invalid", "There is no such webhook, or what proves who calls it is missing or wrong.");
    if (!isFromAllowed) throw new PerdureError("auth.forbidden", "This address may not call the webhook.");
    if (!webhook.isActive) throw notFound("webhook");
    await limits.called(c, webhook.id, settings.rate_limit_per_minute);
    return { webhook, settings, maxBytes, ...proof };
  }

  async function signed(
    c: ApiContext,
    webhook: CalledWebhook | undefined,
    scheme: Exclude<WebhookSettings["signature"], "none">,
    settings: WebhookSettings,
    maxBytes: number,
  ) {
    if (!webhook) return undefined;
    const body = await readBytes(c, maxBytes);
    const secrets = await vault.open(webhook.tenantId, webhook);
    const isPreviousGood = secrets.previous_until !== undefined && Date.parse(secrets.previous_until) > Date.now();
    const good = [secrets.signing_secret, ...(isPreviousGood && secrets.previous_signing_secret !== undefined ? [secrets.previous_signing_secret] : [])];
    const signature = verifySignature(scheme, { header: (name) => c.req.header(name), body }, good, settings.signature_tolerance_seconds);
    return signature && { body, signature };
  }
}

/** Compares in any case, also where nothing was sent or there is no webhook. */
function hasToken(c: ApiContext, webhook: CalledWebhook | undefined): boolean {
  const token = BEARER.exec(c.req.header("authorization") ?? "")?.[1] ?? c.req.header(TOKEN_HEADER)?.trim() ?? "";
  const hash = hashOf(token);
  const isCurrent = isSame(hash, webhook?.tokenHash ?? NOBODYS_HASH);
  const isPrevious = isSame(hash, webhook?.previousTokenHash ?? NOBODYS_HASH) && (webhook?.previousUntil?.getTime() ?? 0) > Date.now();
  return token !== "" && webhook !== undefined && (isCurrent || isPrevious);
}
