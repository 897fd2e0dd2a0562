import type { Login, UserSession } from "#db";
import type { Handlers } from "../mount.ts";
import { pageHeadersOf, toPage } from "../paging.ts";
import { notFound } from "../problem.ts";
import type { Services } from "../services.ts";
import type { AccountTools } from "./auth.ts";

type SessionRoute = "logoutEverywhere" | "listSessions" | "getSession" | "endSession" | "listLogins";

/** One's own: a session belongs to a user and to no organization. */
export function sessionHandlers({ db: { accounts, userSessions } }: Services, { members }: Pick<AccountTools, "members">): Handlers<SessionRoute> {
  return {
    async logoutEverywhere({ principal }) {
      await userSessions.endAll(principal.userId);
      members.forget(principal.userId);
      return { status: 204, body: undefined };
    },

    async listSessions({ query, principal, c }) {
      const page = await userSessions.list(principal.userId, toPage(query));
      return { status: 200, body: page.rows.map((row) => sessionJson(row, principal.sessionId)), headers: pageHeadersOf(c, page) };
    },

    async getSession({ params, principal }) {
      const found = await userSessions.get(principal.userId, params.id);
      if (!found) throw notFound("session");
      return { status: 200, body: sessionJson(found, principal.sessionId) };
    },

    async endSession({ params, principal }) {
      if (!(await userSessions.end(principal.userId, params.id))) throw notFound("session");
      members.forget(principal.userId);
      return { status: 204, body: undefined };
    },

    async listLogins({ query, principal, c }) {
      const page = await accounts.logins(principal.userId, toPage(query));
      return { status: 200, body: page.rows.map(loginJson), headers: pageHeadersOf(c, page) };
    },
  };
}

function sessionJson({ id, method, ip, userAgent, createdAt, lastUsedAt, expiresAt }: UserSession, current: string | undefined) {
  return {
    id,
    method,
    ip,
    user_agent: userAgent,
    created_at: createdAt.toISOString(),
    last_used_at: lastUsedAt.toISOString(),
    expires_at: expiresAt.toISOString(),
    is_current: id === current,
  };
}

function loginJson({ at, method, succeeded, ip, userAgent }: Login) {
  return { at: at.toISOString(), method, result: succeeded ? ("succeeded" as const) : ("failed" as const), ip, user_agent: userAgent };
}
