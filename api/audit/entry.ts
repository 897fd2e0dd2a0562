import type { RoleName, RouteName } from "#contract";
import type { Json, TenantId } from "#core";
import type { Audit } from "#db";
import type { Logger } from "#platform";
import { type ApiContext, clientAddress, userAgent } from "../context.ts";

const PATH_MAX_LENGTH = 1_000;

/** Who a change is written for, where the route is public, or where it is made in another organization than the caller's. */
export interface AuditActor {
  readonly tenantId: TenantId;
  readonly userId: string;
  readonly role: RoleName;
}

export interface Entry {
  actor: AuditActor;
  apiKeyId: string | null;
  action: RouteName;
  resourceType: string;
  resourceId: string | null;
  status: number;
  before: Json;
  after: Json;
}

/** Writes what a request did or was refused, with where it came from. Where it cannot be written it goes to the process's log, as `failure`. */
export async function writeEntry(
  { audit, logger }: { audit: Pick<Audit, "record">; logger: Logger },
  c: ApiContext,
  entry: Entry,
  failure: string,
): Promise<void> {
  const { actor, ...about } = entry;
  const event = {
    userId: actor.userId,
    role: actor.role,
    ...about,
    method: c.req.method,
    path: c.req.path.slice(0, PATH_MAX_LENGTH),
    ip: clientAddress(c),
    userAgent: userAgent(c),
    correlationId: c.get("correlationId"),
  };
  try {
    await audit.record(actor.tenantId, event);
  } catch (error) {
    logger.error({ err: error, audit_event: { ...event, tenantId: actor.tenantId } }, failure);
  }
}
