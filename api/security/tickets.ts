import { randomBytes } from "node:crypto";
import { TICKET_EXPIRES_IN, isScope } from "#contract";
import { PerdureError } from "#core";
import type { LiveRows } from "#db";
import type { Caller } from "./caller.ts";
import type { Members } from "./members.ts";
import { hashToken } from "./tokens.ts";

const PREFIX = "st_";

/** A ticket opens one connection, once, for the caller who asked for it. */
export interface Tickets {
  issue(caller: Caller): Promise<{ ticket: string; expiresAt: Date }>;
  /** @throws PerdureError `auth.invalid`, also for one that was used. */
  redeem(ticket: string): Promise<Caller>;
}

export function isTicket(text: string): boolean {
  return text.startsWith(PREFIX);
}

export function createTickets(rows: Pick<LiveRows, "createTicket" | "takeTicket">, members: Members): Tickets {
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
      const principal = await members.confirm({
        userId,
        tenantId,
        role: "viewer",
        ...(sessionId !== null && { sessionId }),
        ...(apiKeyId !== null && { apiKey: { id: apiKeyId, scopes: new Set((scopes ?? []).filter(isScope)) } }),
      });
      return { principal, ...(sessionEndsAt && { endsAt: sessionEndsAt.getTime() }) };
    },
  };
}
