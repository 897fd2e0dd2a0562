import type { Json, TenantId } from "#core";
import type { NewVersion, NewWebhook, Workflows } from "#db";
import { webhookNodes } from "./settings.ts";
import type { WebhookVault } from "./secrets.ts";

/** Workflows that are saved and published together with the webhooks of their graphs, whichever route does it. */
export function keepWebhooks(workflows: Workflows, vault: Pick<WebhookVault, "make">): Workflows {
  const madeFor = (tenant: TenantId, graph: Json): Promise<NewWebhook[]> =>
    Promise.all(webhookNodes(graph).map(({ id, inputs }) => vault.make(tenant, id, inputs)));
  const withWebhooks = async (tenant: TenantId, version: NewVersion): Promise<NewVersion> => ({ ...version, webhooks: await madeFor(tenant, version.graph) });

  const kept: Pick<Workflows, "create" | "update" | "publish"> = {
    create: async (tenant, workflow, version) => workflows.create(tenant, workflow, await withWebhooks(tenant, version)),
    update: async (tenant, id, fields, version, expectedVersion) =>
      workflows.update(tenant, id, fields, version && (await withWebhooks(tenant, version)), expectedVersion),
    async publish(tenant, id, number, options) {
      const version = await workflows.version(tenant, id, number);
      return workflows.publish(tenant, id, number, { ...options, ...(version && { webhooks: await madeFor(tenant, version.graph) }) });
    },
  };
  return Object.assign(Object.create(workflows) as Workflows, kept);
}
