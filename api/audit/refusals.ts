import { type RouteName, auditResourceOf } from "#contract";
import { PerdureError, isUuid } from "#core";
import type { Accounts, Audit } from "#db";
import type { Logger } from "#platform";
import type { MiddlewareHandler } from "hono";
import { BoundedCache } from "../bounded-cache.ts";
import type { ApiContext, ApiEnv } from "../context.ts";
import { type AuditActor, writeEntry } from "./entry.ts";

const CALLERS_REMEMBERED = 10_000;
/** Organizations of one account that a failed sign-in is told to. */
const ORGANIZATIONS_MAX = 20;

export interface Refusals {
  /** Stands before the guard of a route and writes what it, or the handler, refuses. */
  watch(name: RouteName): MiddlewareHandler<ApiEnv>;
}

/**
 * What was tried and not allowed, in the audit log: 403 of members and their keys, and failed sign-ins to the account of a member. The answer does not
 * wait for a sign-in's entry, so that it takes as long for an account that does not exist.
 */
export function createRefusals({
  audit,
  accounts,
  intervalMs,
  logger,
  now = Date.now,
}: {
  audit: Pick<Audit, "record">;
  accounts: Pick<Accounts, "memberships">;
  /** One entry stands for all refusals of one caller and route in this time. */
  intervalMs: number;
  logger: Logger;
  now?: () => number;
}): Refusals {
  const told = new BoundedCache<string, number>(CALLERS_REMEMBERED);

  async function record(name: RouteName, c: ApiContext, actor: AuditActor, apiKeyId: string | null, status: number): Promise<void> {
    const id = c.req.param("id");
    const about = {
      actor,
      apiKeyId,
      action: name,
      resourceType: auditResourceOf(name),
      resourceId: id !== undefined && isUuid(id) ? id.toLowerCase() : null,
      status,
      before: null,
      after: null,
    };
    await writeEntry({ audit, logger }, c, about, "a refusal could not be written to the audit log");
  }

  async function recordSignIn(name: RouteName, c: ApiContext, userId: string): Promise<void> {
    const memberships = await accounts.memberships(userId);
    for (const { tenantId, role } of memberships.slice(0, ORGANIZATIONS_MAX)) await record(name, c, { tenantId, userId, role }, null, 401);
  }

  function isNews(key: string): boolean {
    const at = told.get(key);
    if (at !== undefined && now() - at < intervalMs) return false;
    told.set(key, now());
    return true;
  }

  return {
    watch: (name) => async (c, next) => {
      await next();
      const { error } = c;
      if (!(error instanceof PerdureError)) return;
      const account = c.get("refusedAccount") as string | undefined;
      if (error.status === 401 && account !== undefined) {
        recordSignIn(name, c, account).catch((failure: unknown) => logger.error({ err: failure }, "a failed sign-in could not be written to the audit log"));
        return;
      }
      const principal = c.get("principal") as ApiEnv["Variables"]["principal"] | undefined;
      if (error.status !== 403 || !principal) return;
      const apiKeyId = principal.apiKey?.id ?? null;
      if (isNews(`${principal.tenantId}/${principal.userId}/${apiKeyId}/${name}`)) await record(name, c, principal, apiKeyId, 403);
    },
  };
}
