import type { Route } from "#contract";
import { PerdureError } from "#core";
import type { Rate } from "#platform";
import type { MiddlewareHandler } from "hono";
import { type ApiContext, type ApiEnv, clientAddress } from "../context.ts";
import type { ApiSettings } from "../services.ts";
import type { Principal } from "../security/principal.ts";
import { networkOf } from "./addresses.ts";
import type { RateLimiter, Verdict } from "./rate-limiter.ts";

type RateSetting = Extract<keyof ApiSettings, `RATE_LIMIT_${string}`>;
type Rates = Pick<ApiSettings, RateSetting>;

/** Answers that say that a guess was wrong: of a password, a token, an address. */
const WRONG_GUESS = new Set([401, 403, 404, 409]);

/** Routes under one limit. */
const GROUPS = {
  starts: "RATE_LIMIT_STARTS",
  messages: "RATE_LIMIT_LIVE_MESSAGES",
  reads: "RATE_LIMIT_READS",
  writes: "RATE_LIMIT_WRITES",
} as const satisfies Record<string, RateSetting>;

export interface RouteLimits {
  /** Before it is known who calls. */
  byAddress(route: Route): MiddlewareHandler<ApiEnv>;
  /** When it is known. */
  byCaller(route: Route): MiddlewareHandler<ApiEnv>;
  /** A token or key that was wrong. @throws PerdureError `rate.limited` where there were too many from this address. */
  failed(c: ApiContext): Promise<void>;
  /** A call of a webhook; two minutes' calls may come at once. `perMinute` 0 is no limit. @throws PerdureError `rate.limited`. */
  called(c: ApiContext, webhookId: string, perMinute: number): Promise<void>;
}

const MINUTE_MS = 60_000;
/** Minutes whose calls of a webhook may come at once. */
const WEBHOOK_BURST_MINUTES = 2;

export function createRouteLimits(limiter: RateLimiter, rates: Rates): RouteLimits {
  async function pass(c: ApiContext, name: string, subject: string, rate: Rate | undefined): Promise<void> {
    if (!rate) return;
    const verdict = await limiter.take(name, subject, rate);
    show(c, verdict);
    if (!verdict.allowed) throw tooMany(verdict);
  }

  return {
    byAddress(route) {
      const isSignIn = route.access.auth === "public" && route.tags.includes("auth");
      const failures = isSignIn ? rates.RATE_LIMIT_SIGN_IN_FAILURES : undefined;
      const isCounted = rates.RATE_LIMIT_ADDRESS !== undefined && !route.tags.includes("health");
      if (!isCounted && !failures) return (_c, next) => next();
      return async (c, next) => {
        const network = networkOf(clientAddress(c));
        if (isCounted) await pass(c, "address", network, rates.RATE_LIMIT_ADDRESS);
        if (!failures) return next();
        const verdict = await limiter.take("failures", network, failures);
        if (!verdict.allowed) {
          show(c, verdict);
          throw tooMany(verdict);
        }
        // Taken before and given back after, so that guesses made at the same moment are counted too.
        await next();
        if (!WRONG_GUESS.has(c.res.status)) await limiter.giveBack("failures", network, failures);
      };
    },

    byCaller(route) {
      if (route.access.auth !== "user") return (_c, next) => next();
      const { permission } = route.access;
      const group =
        permission === "live.publish"
          ? "messages"
          : permission === "run.start" || permission === "run.ad_hoc"
            ? "starts"
            : route.method === "get"
              ? "reads"
              : "writes";
      const groupRate = rates[GROUPS[group]];
      return async (c, next) => {
        const principal = c.get("principal") as Principal | undefined;
        // A WebSocket whose caller will say later who they are: each thing they ask for then is a request of its own.
        if (!principal) return next();
        const { apiKey, userId } = principal;
        const [name, subject, rate] = apiKey ? (["key", apiKey.id, rates.RATE_LIMIT_API_KEY] as const) : (["user", userId, rates.RATE_LIMIT_USER] as const);
        await pass(c, name, subject, rate);
        await pass(c, group, subject, groupRate);
        await next();
      };
    },

    async called(c, webhookId, perMinute) {
      const rate = { tokens: perMinute, perMs: MINUTE_MS, burst: perMinute * WEBHOOK_BURST_MINUTES };
      await pass(c, "webhook", webhookId, perMinute > 0 ? rate : undefined);
    },

    async failed(c) {
      const rate = rates.RATE_LIMIT_SIGN_IN_FAILURES;
      if (!rate) return;
      const verdict = await limiter.take("failures", networkOf(clientAddress(c)), rate);
      if (verdict.allowed) return;
      show(c, verdict);
      throw tooMany(verdict);
    },
  };
}

interface Guesses {
  /** @throws PerdureError `rate.limited`. Whoever takes a guess at an account gives it back where it was right. */
  take(accountHash: string): Promise<void>;
  giveBack(accountHash: string): Promise<void>;
}

type AccountRates = Pick<
  Rates,
  "RATE_LIMIT_ACCOUNT_FAILURES" | "RATE_LIMIT_SECOND_FACTOR_FAILURES" | "RATE_LIMIT_ACCOUNT_MAILS" | "RATE_LIMIT_INVITATION_MAILS"
>;

interface InvitationMails {
  /** One to an address, whoever invites it, and one of an organization. @throws PerdureError `rate.limited`. */
  take(tenantId: string, addressHash: string): Promise<void>;
}

/** Guesses at passwords, guesses at second factors, and mails that anybody can have sent to an address, or that members have sent to people they invite. */
export function createAccountLimits(
  limiter: RateLimiter,
  rates: AccountRates,
): Guesses & { secondFactor: Guesses; mails: Pick<Guesses, "take">; invitations: InvitationMails } {
  const counted = (name: string, rate: Rate | undefined): Guesses => ({
    async take(accountHash) {
      if (!rate) return;
      const verdict = await limiter.take(name, accountHash, rate);
      if (!verdict.allowed) throw tooMany(verdict);
    },
    async giveBack(accountHash) {
      if (rate) await limiter.giveBack(name, accountHash, rate);
    },
  });
  const ofOrganization = counted("invitation_mails", rates.RATE_LIMIT_INVITATION_MAILS);
  // Apart from the mails above: who invites somebody does not keep them from setting a new password.
  const toAddress = counted("invitation_mails_to", rates.RATE_LIMIT_ACCOUNT_MAILS);
  return {
    ...counted("account", rates.RATE_LIMIT_ACCOUNT_FAILURES),
    secondFactor: counted("second_factor", rates.RATE_LIMIT_SECOND_FACTOR_FAILURES),
    mails: counted("mails", rates.RATE_LIMIT_ACCOUNT_MAILS),
    invitations: {
      async take(tenantId, addressHash) {
        await ofOrganization.take(tenantId);
        await toAddress.take(addressHash);
      },
    },
  };
}
export type AccountLimits = ReturnType<typeof createAccountLimits>;

function tooMany({ retryAfterMs, name, rate }: Verdict): PerdureError {
  return new PerdureError("rate.limited", `Too many requests (${name}: ${rate.tokens} in ${rate.perMs / 1000} s).`, { retryAfterMs });
}

/** Of several limits, the one that is nearest to its end is told. */
function show(c: ApiContext, verdict: Verdict): void {
  const shown = c.get("rateVerdict");
  if (!shown || verdict.remaining / verdict.rate.burst <= shown.remaining / shown.rate.burst) c.set("rateVerdict", verdict);
}

/** `RateLimit-*` of draft-ietf-httpapi-ratelimit-headers, on what was answered, problems too. */
export function rateHeaders(): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    await next();
    const verdict = c.get("rateVerdict");
    if (!verdict) return;
    const { rate, remaining, resetMs, name } = verdict;
    c.res.headers.set("ratelimit-limit", String(rate.tokens));
    c.res.headers.set("ratelimit-remaining", String(remaining));
    c.res.headers.set("ratelimit-reset", String(Math.ceil(resetMs / 1000)));
    c.res.headers.set("ratelimit-policy", `${rate.tokens};w=${rate.perMs / 1000};burst=${rate.burst};name="${name}"`);
  };
}
