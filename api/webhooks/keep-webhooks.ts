import type { Json, TenantId } from "#core";
import type { NewVersion, Workflows } from "#db";
import { webhookNodes } from "./settings.ts";
import type { WebhookVault } from "./secrets.ts";

/** Workflows that are saved together with the webhooks of their graphs, whichever route saves them. */
export function keepWebhooks(workflows: Workflows, vault: Pick<WebhookVault, "make">): Workflows {
  async function withWebhooks(tenant: TenantId, version: NewVersion): Promise<NewVersion> {
    const nodes = webhookNodes(version.graph satisfies Json);
    return { ...version, webhooks: await Promise.all(nodes.map(({ id, inputs }) => vault.make(tenant, id, inputs))) };
  }

  const kept: Pick<Workflows, "create" | "update"> = {
    create: async (tenant, workflow, version) => workflows.create(tenant, workflow, await withWebhooks(tenant, version)),
    update: async (tenant, id, fields, version, expectedVersion) =>
      workflows.update(tenant, id, fields, version && (await withWebhooks(tenant, version)), expectedVersion),
  };
  return Object.assign(Object.create(workflows) as Workflows, kept);
}
