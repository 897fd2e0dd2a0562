import { isObject, ownProperty, PerdureError } from "#core";
import type { Fetch } from "../http/index.ts";
import type { SecretStore } from "./index.ts";

export interface VaultOptions {
  /** `https://host:8200/<mount>/<path>`: one secret of a KV engine of version 2, whose keys are the names. */
  url: string;
  token: string | undefined;
  namespace: string | undefined;
  /** How long an answer is good for, in milliseconds. */
  cacheMs: number;
  timeoutMs: number;
  /** `fetch` that reaches this origin wherever it is: the operator has named it. */
  fetchOf(trustedOrigin: string): Fetch;
}

const ADDRESS = /^https?:\/\/[^/?#@]+\/([^/?#]+)\/([^?#]+)$/;

/**
 * Reads `GET /v1/<mount>/data/<path>` (KV version 2), at most once in `cacheMs` however many ask.
 * @throws PerdureError `configuration.invalid` for an address or token that is missing or wrong.
 */
export function createVaultStore({ url, token, namespace, cacheMs, timeoutMs, fetchOf }: VaultOptions): SecretStore {
  const parts = ADDRESS.exec(url);
  const origin = URL.parse(url)?.origin;
  if (!parts || !origin) throw new PerdureError("configuration.invalid", "SECRET_STORES: a vault is named as vault:https://<host>:<port>/<mount>/<path>.");
  if (!token) throw new PerdureError("configuration.invalid", "SECRET_STORES names a vault, and VAULT_TOKEN is not set.");
  const [, mount = "", path = ""] = parts;
  const address = `${origin}/v1/${mount}/data/${path.replace(/\/+$/, "")}`;
  const send = fetchOf(origin);
  let known: { values: ReadonlyMap<string, string>; until: number } | undefined;
  let asking: Promise<ReadonlyMap<string, string>> | undefined;

  async function ask(): Promise<ReadonlyMap<string, string>> {
    let status: number;
    let body: unknown;
    try {
      const response = await send(address, {
        headers: { "x-vault-token": token ?? "", ...(namespace !== undefined && { "x-vault-namespace": namespace }) },
        signal: AbortSignal.timeout(timeoutMs),
      });
      ({ status } = response);
      body = status === 200 ? await response.json() : await response.body?.cancel();
    } catch (cause) {
      throw new PerdureError("network.unreachable", "The store of secrets could not be reached.", { cause });
    }
    // A secret that was never written, or whose newest version is deleted.
    if (status === 404) return new Map();
    if (status === 401 || status === 403) throw new PerdureError("credential.rejected", "The store of secrets does not take VAULT_TOKEN.");
    const data = ownProperty(ownProperty(body, "data"), "data");
    if (status !== 200 || !isObject(data)) throw new PerdureError("upstream.failed", `The store of secrets answered ${status}.`);
    return new Map(
      Object.entries(data).flatMap(([name, value]) => (value === null ? [] : [[name, typeof value === "string" ? value : JSON.stringify(value)]])),
    );
  }

  return {
    async get(name) {
      if (known && known.until > Date.now()) return known.values.get(name);
      asking ??= ask().finally(() => {
        asking = undefined;
      });
      const values = await asking;
      known = { values, until: Date.now() + cacheMs };
      return values.get(name);
    },
  };
}
