import type { Database } from "#db";
import type { Env } from "#platform";

export interface Secrets {
  /** Resolves when it is known who may read. @throws PerdureError `database.unavailable`. */
  ready(): Promise<void>;
  /** Value of `{{secrets.NAME}}` for a tenant; undefined also where it is not for them. */
  of(tenantId: string, name: string): string | undefined;
}

/**
 * Secrets of the worker's environment belong to whoever runs the installation. Where anybody may register, only the organizations of
 * SECRETS_ORGANIZATIONS read them; by default the one that was made first.
 */
export function createSecrets({
  env,
  accounts,
}: {
  env: Pick<Env, "SECRETS_ORGANIZATIONS" | "secret">;
  accounts: Pick<Database["accounts"], "firstOrganization">;
}): Secrets {
  const readers = new Set(env.SECRETS_ORGANIZATIONS);
  return {
    async ready() {
      if (!readers.has("first")) return;
      const first = await accounts.firstOrganization();
      if (first === undefined) return;
      readers.add(first);
      readers.delete("first");
    },
    of: (tenantId, name) => (readers.has("*") || readers.has(tenantId) ? env.secret(name) : undefined),
  };
}
