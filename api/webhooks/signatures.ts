import { createHash, createHmac } from "node:crypto";
import { isObject } from "#core";
import { isSame } from "./secrets.ts";
import type { WebhookSettings } from "./settings.ts";

/** What is signed, and how senders say so. */
export interface SignedCall {
  /** Names in lower case. */
  header(name: string): string | undefined;
  body: Buffer;
}

export interface TakenSignature {
  /** Names the call, where what is signed does. */
  deliveryId?: string;
  /** A repeat of exactly this is refused until its time has passed; of what names its delivery, it finds the same run. */
  once?: { hash: string; until: Date };
}

type Scheme = Exclude<WebhookSettings["signature"], "none">;

interface Claim {
  /** Any of them may be right. */
  signatures: readonly string[];
  /** Seconds since the epoch; undefined where the scheme has no time. */
  timestamp?: number;
  expected(secret: string): string;
  /** Read from what is signed. */
  deliveryId?: string | undefined;
}

const hmac = (secret: string | Buffer, encoding: "hex" | "base64", ...parts: (string | Buffer)[]): string => {
  const mac = createHmac("sha256", secret);
  for (const part of parts) mac.update(part);
  return mac.digest(encoding);
};

const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** `whsec_` and base64. What is no base64 is the key as it stands: decoded it would lose what the code has no letters for, which may be all of it. */
function standardKey(secret: string): Buffer {
  const text = secret.replace(/^whsec_/, "").trim();
  return BASE64.test(text) ? Buffer.from(text, "base64") : Buffer.from(secret);
}

/** Undefined where a header is missing. */
const SCHEMES: Readonly<Record<Scheme, (call: SignedCall) => Claim | undefined>> = {
  /** Ours: `X-Webhook-Timestamp` in seconds, `X-Webhook-Signature: sha256=` with the HMAC-SHA256, hexadecimal, of `<timestamp>.<body>`. */
  hmac({ header, body }) {
    const [signature, time] = [header("x-webhook-signature"), header("x-webhook-timestamp")];
    if (signature === undefined || time === undefined) return undefined;
    return { signatures: [signature.replace(/^sha256=/, "")], timestamp: Number(time), expected: (secret) => hmac(secret, "hex", `${time}.`, body) };
  },

  /** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
  standard({ header, body }) {
    const [id, time, signature] = ["id", "timestamp", "signature"].map((name) => header(`webhook-${name}`) ?? header(`svix-${name}`));
    if (id === undefined || time === undefined || signature === undefined) return undefined;
    return {
      signatures: signature.split(" ").flatMap((each) => (each.startsWith("v1,") ? [each.slice(3)] : [])),
      timestamp: Number(time),
      expected: (secret) => hmac(standardKey(secret), "base64", `${id}.${time}.`, body),
      deliveryId: id,
    };
  },

  /** https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries: no time is signed, so the signature itself names the call. */
  github({ header, body }) {
    const signature = header("x-hub-signature-256")?.replace(/^sha256=/, "");
    if (signature === undefined) return undefined;
    return { signatures: [signature], expected: (secret) => hmac(secret, "hex", body), deliveryId: signature };
  },

  /** https://docs.stripe.com/webhooks#verify-manually: `t=<seconds>,v1=<hex>`, of `<t>.<body>`; the event's id is in the body. */
  stripe({ header, body }) {
    const parts = (header("stripe-signature") ?? "").split(",").map((part) => part.trim().split("=") as [string, string?]);
    const time = parts.find(([name]) => name === "t")?.[1];
    if (time === undefined) return undefined;
    return {
      signatures: parts.flatMap(([name, value]) => (name === "v1" && value !== undefined ? [value] : [])),
      timestamp: Number(time),
      expected: (secret) => hmac(secret, "hex", `${time}.`, body),
      deliveryId: idOf(body),
    };
  },

  /** https://api.slack.com/authentication/verifying-requests-from-slack: `v0=<hex>` of `v0:<seconds>:<body>`. */
  slack({ header, body }) {
    const [signature, time] = [header("x-slack-signature"), header("x-slack-request-timestamp")];
    if (signature === undefined || time === undefined) return undefined;
    return { signatures: [signature.replace(/^v0=/, "")], timestamp: Number(time), expected: (secret) => hmac(secret, "hex", `v0:${time}:`, body) };
  },
};

/**
 * Whether a call is signed with one of the secrets, in its time.
 * @returns undefined where it is not.
 */
export function verifySignature(
  scheme: Scheme,
  call: SignedCall,
  secrets: readonly string[],
  toleranceSeconds: number,
  now: number = Date.now(),
): TakenSignature | undefined {
  const claim = SCHEMES[scheme](call);
  if (!claim) return undefined;
  const { timestamp } = claim;
  const isTimely = timestamp === undefined || Math.abs(now / 1000 - timestamp) <= toleranceSeconds;
  const matches = secrets.map((secret) => claim.expected(secret)).filter((expected) => claim.signatures.map((given) => isSame(given, expected)).includes(true));
  const [match] = matches;
  if (!isTimely || match === undefined) return undefined;
  if (claim.deliveryId !== undefined) return { deliveryId: claim.deliveryId };
  const hash = createHash("sha256").update(`${scheme}:${match}`).digest("hex");
  return { once: { hash, until: new Date(((timestamp ?? now / 1000) + toleranceSeconds + 1) * 1000) } };
}

function idOf(body: Buffer): string | undefined {
  try {
    const event: unknown = JSON.parse(body.toString("utf8"));
    return isObject(event) && typeof event["id"] === "string" ? event["id"] : undefined;
  } catch {
    return undefined;
  }
}
