import { type AuditRule, type RouteName, auditRuleOf } from "#contract";
import { type JsonObject, isObject } from "#core";
import type { Audit } from "#db";
import type { Logger } from "#platform";
import type { ApiContext } from "../context.ts";
import { type AuditActor, writeEntry } from "./entry.ts";
import { changes } from "./withheld.ts";

type Reply = Response | { status: number; body: unknown };
interface AuditedRequest {
  readonly params: unknown;
  readonly principal: (AuditActor & { apiKey?: { id: string } }) | undefined;
  readonly c: ApiContext;
}
type Handle = (request: never) => Promise<Reply>;

export interface AuditTrail {
  /** The handler of a route, writing what it changed once it has: who, what, before and after, from where. */
  watch<H extends Handle>(name: RouteName, handlers: Readonly<Record<RouteName, H>>): H;
}

/**
 * The one place that writes the audit log. It reads the thing before by the GET route of the same path, so that no route needs code for it. The entry
 * is written before the answer is sent; where it cannot be, the change stands, and the entry goes to the process's log instead.
 */
export function createAuditTrail(audit: Audit, { fieldMaxBytes, logger }: { fieldMaxBytes: number; logger: Logger }): AuditTrail {
  return {
    watch<H extends Handle>(name: RouteName, handlers: Readonly<Record<RouteName, H>>): H {
      const rule = auditRuleOf(name);
      const handler = handlers[name];
      if (!rule) return handler;
      const watched = async (request: AuditedRequest): Promise<Reply> => {
        const { c } = request;
        const before = rule.before && (await stateOf(handlers[rule.before], request));
        let written: Promise<void> | undefined;
        c.set("auditBegun", (begun) => {
          written ??= write(name, rule, request, before, begun);
        });
        try {
          const reply = await handler(request as never);
          written ??= write(name, rule, request, before, reply);
          return reply;
        } finally {
          await written;
        }
      };
      return watched as unknown as H;
    },
  };

  async function write(
    name: RouteName,
    rule: AuditRule,
    { c, principal, params }: AuditedRequest,
    before: JsonObject | undefined,
    reply: Reply,
  ): Promise<void> {
    const actor = (c.get("auditActor") as AuditActor | undefined) ?? principal;
    if (reply.status >= 400 || !actor) return;
    const after = bodyOf(reply);
    const about = {
      actor,
      apiKeyId: principal?.apiKey?.id ?? null,
      action: name,
      resourceType: rule.resource,
      resourceId: resourceId(rule.isNew ?? false, params, after ?? before, reply),
      status: reply.status,
      ...changes(before, after, rule.fields, fieldMaxBytes),
    };
    await writeEntry({ audit, logger }, c, about, "a change was made and could not be written to the audit log");
  }
}

/** What is not there, or not readable, has no state; the change itself will say so. */
async function stateOf(read: Handle, request: AuditedRequest): Promise<JsonObject | undefined> {
  try {
    return bodyOf(await read({ ...request, query: {}, headers: {}, body: undefined, rawBody: undefined } as never));
  } catch {
    return undefined;
  }
}

function bodyOf(reply: Reply): JsonObject | undefined {
  return reply instanceof Response || !isObject(reply.body) ? undefined : (reply.body as JsonObject);
}

function resourceId(isNew: boolean, params: unknown, after: JsonObject | undefined, reply: Reply): string | null {
  const named = isObject(params) && typeof params["id"] === "string" ? params["id"] : undefined;
  const answered = reply instanceof Response ? (reply.headers.get("x-execution-id") ?? undefined) : typeof after?.["id"] === "string" ? after["id"] : undefined;
  return (isNew ? answered : (named ?? answered)) ?? null;
}
