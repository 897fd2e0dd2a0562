import type { TenantId } from "#core";
import type { Database } from "#db";
import type { SecretStore } from "#integrations/secrets";
import type { Env } from "#platform";

export interface Secrets {
  /** Resolves when it is known who may read. @throws PerdureError `database.unavailable`. */
  ready(): Promise<void>;
  /** Whether what the operator brought (secrets, the key of a model provider) is for this tenant. */
  areFor(tenantId: string): boolean;
  /** Values of `{{secrets.NAME}}` by name; nothing where they are not for the tenant. @throws PerdureError of a store that cannot be asked. */
  of(tenantId: TenantId, names: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

/**
 * Secrets of the stores, and the operator's keys, belong to whoever runs the installation. Where anybody may register, only the organizations of
 * SECRETS_ORGANIZATIONS read them; by default the one that was made first.
 */
export function createSecrets({
  env,
  accounts,
  store,
}: {
  env: Pick<Env, "SECRETS_ORGANIZATIONS">;
  accounts: Pick<Database["accounts"], "firstOrganization">;
  store: SecretStore;
}): Secrets {
  const readers = new Set(env.SECRETS_ORGANIZATIONS);
  const areFor = (tenantId: string): boolean => readers.has("*") || readers.has(tenantId);
  return {
    areFor,
    async ready() {
      if (!readers.has("first")) return;
      const first = await accounts.firstOrganization();
      if (first === undefined) return;
      readers.add(first);
      readers.delete("first");
    },
    async of(tenantId, names) {
      if (!areFor(tenantId)) return new Map();
      const found = await Promise.all(names.map(async (name) => [name, await store.get(name)] as const));
      return new Map(found.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])));
    },
  };
}
