import type { Handlers } from "../mount.ts";
import type { Principal } from "../security/principal.ts";
import type { Services } from "../services.ts";

export function queueHandlers({ db: { admission }, settings }: Services): Handlers<"getQueue" | "setQueueLimit"> {
  async function reply({ tenantId }: Principal) {
    const { limit, running, queued, groups } = await admission.overview(tenantId, settings.CONCURRENCY_WAITING_MS);
    const workflows = groups.map((group) => ({
      workflow_id: group.workflowId,
      workflow_name: group.workflowName,
      key: group.key,
      limit: group.limit,
      running: group.running,
      queued: group.queued,
      oldest_queued_at: group.oldestQueuedAt?.toISOString() ?? null,
    }));
    return { status: 200 as const, body: { limit, operator_limit: settings.ORGANIZATION_CONCURRENCY_LIMIT ?? null, running, queued, workflows } };
  }

  return {
    getQueue: ({ principal }) => reply(principal),

    async setQueueLimit({ body, principal }) {
      await admission.setLimit(principal.tenantId, body.limit);
      return reply(principal);
    },
  };
}
