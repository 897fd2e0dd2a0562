import type { Audit, AuditEvent, AuditFilter } from "#db";
import type { Handlers } from "../mount.ts";
import { pageHeadersOf, toPage } from "../paging.ts";
import type { Principal } from "../security/principal.ts";
import type { Services } from "../services.ts";

/** Entries that an export reads at a time. */
const EXPORT_PAGE = 500;

interface FilterQuery {
  user_id?: string | undefined;
  api_key_id?: string | undefined;
  action?: string | undefined;
  resource_type?: string | undefined;
  resource_id?: string | undefined;
  status?: number | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
}

export function auditHandlers({ db: { audit } }: Services): Handlers<"listAuditEvents" | "exportAuditEvents"> {
  return {
    async listAuditEvents({ query, principal, c }) {
      const page = await audit.list(principal.tenantId, filterOf(query), toPage(query));
      return { status: 200, body: page.rows.map(eventJson), headers: pageHeadersOf(c, page) };
    },

    exportAuditEvents({ query, principal }) {
      return new Response(ReadableStream.from(lines(audit, principal.tenantId, filterOf(query))), {
        headers: { "content-type": "application/x-ndjson", "content-disposition": 'attachment; filename="audit.ndjson"' },
      });
    },
  };
}

/** Page by page, as fast as the caller reads. */
async function* lines(audit: Audit, tenant: Principal["tenantId"], filter: AuditFilter): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let cursor: string | undefined;
  do {
    const page = await audit.list(tenant, filter, { limit: EXPORT_PAGE, ...(cursor !== undefined && { cursor }) });
    for (const row of page.rows) yield encoder.encode(`${JSON.stringify(eventJson(row))}\n`);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}

function filterOf({ user_id, api_key_id, action, resource_type, resource_id, from, to, status }: FilterQuery): AuditFilter {
  return {
    ...(user_id !== undefined && { userId: user_id }),
    ...(api_key_id !== undefined && { apiKeyId: api_key_id }),
    ...(action !== undefined && { action }),
    ...(status !== undefined && { status }),
    ...(resource_type !== undefined && { resourceType: resource_type }),
    ...(resource_id !== undefined && { resourceId: resource_id }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  };
}

function eventJson(event: AuditEvent) {
  return {
    id: event.id,
    at: event.at.toISOString(),
    user_id: event.userId,
    api_key_id: event.apiKeyId,
    role: event.role,
    action: event.action,
    resource_type: event.resourceType,
    resource_id: event.resourceId,
    method: event.method,
    path: event.path,
    status: event.status,
    before: event.before,
    after: event.after,
    ip: event.ip,
    user_agent: event.userAgent,
    correlation_id: event.correlationId,
  };
}
