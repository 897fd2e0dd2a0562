/** Where `{{secrets.NAME}}` comes from: the environment, HashiCorp Vault. One small interface, stores named by URL. */
import { PerdureError } from "#core";
import { createVaultStore, type VaultOptions } from "./vault.ts";

/** Values by name; a store that has no such name is no failure. */
export interface SecretStore {
  /** @throws PerdureError where the store cannot be asked. */
  get(name: string): Promise<string | undefined>;
}

export interface SecretStoreOptions extends Omit<VaultOptions, "url"> {
  /** Reads the environment. */
  environment(name: string): string | undefined;
}

/**
 * The stores of SECRET_STORES as one: the first that has a name gives its value.
 * @throws PerdureError `configuration.invalid` for a URL that names no store; never shows it, it may hold a password.
 */
export function openSecretStores(urls: readonly string[], { environment, ...vault }: SecretStoreOptions): SecretStore {
  const stores = urls.map((url, at): SecretStore => {
    if (url === "env:") return { get: async (name) => environment(name) };
    if (url.startsWith("vault:")) return createVaultStore({ ...vault, url: url.slice("vault:".length) });
    throw new PerdureError("configuration.invalid", `SECRET_STORES: entry ${at + 1} is neither env: nor vault:<address>/<mount>/<path>.`);
  });
  return {
    async get(name) {
      for (const store of stores) {
        const value = await store.get(name);
        if (value !== undefined) return value;
      }
      return undefined;
    },
  };
}
