import { randomBytes } from "node:crypto";
import { TICKET_EXPIRES_IN, isScope } from "#contract";
import { PerdureError } from "#core";
import type { LiveRows } from "#db";
import type { Caller, Standing } from "./caller.ts";
import type { Principal } from "./principal.ts";
import { hashToken } from "./tokens.ts";

const PREFIX = "st_";

/** A ticket opens one connection, once, for the caller who asked for it. */
export interface Tickets {
  issue(caller: Caller): Promise<{ ticket: string; expiresAt: Date }>;
  /** @throws PerdureError `auth.invalid`, also for one that was used, or whose caller's session, key or membership has ended since. */
  redeem(ticket: string): Promise<Caller>;
}

export function isTicket(text: string): boolean {
  return text.startsWith(PREFIX);
}

export function createTickets(rows: Pick<LiveRows, "createTicket" | "takeTicket">, standing: Standing): Tickets {
  return {
    async issue({ principal: { tenantId, userId, apiKey, sessionId }, endsAt }) {
      const ticket = PREFIX + randomBytes(32).toString("base64url");
      const expiresAt = new Date(Date.now() + TICKET_EXPIRES_IN * 1_000);
      await rows.createTicket(tenantId, {
        ticketHash: hashToken(ticket),
        userId,
        apiKeyId: apiKey?.id ?? null,
        sessionId: sessionId ?? null,
        scopes: apiKey ? [...apiKey.scopes] : null,
        sessionEndsAt: endsAt === undefined ? null : new Date(endsAt),
        expiresAt,
      });
      return { ticket, expiresAt };
    },

    async redeem(ticket) {
      const taken = await rows.takeTicket(hashToken(ticket));
      if (!taken) throw new PerdureError("auth.invalid", "The ticket is not valid: it has been used, or is older than 30 s.");
      const { tenantId, userId, apiKeyId, sessionId, scopes, sessionEndsAt } = taken;
      // The role is replaced by the one the member has by now.
      const principal: Principal = {
        userId,
        tenantId,
        role: "viewer",
        ...(sessionId !== null && { sessionId }),
        ...(apiKeyId !== null && { apiKey: { id: apiKeyId, scopes: new Set((scopes ?? []).filter(isScope)) } }),
      };
      return standing.confirm({ principal, ...(sessionEndsAt && { endsAt: sessionEndsAt.getTime() }) });
    },
  };
}
