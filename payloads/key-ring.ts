import { randomBytes } from "node:crypto";
import { PerdureError, type TenantId } from "#core";
import type { PayloadStore } from "#db";
import type { MasterKey } from "#platform";
import { type DataKey, dataKey, KEY_BYTES } from "./seal.ts";
import { unwrap, wrap } from "./wrapping.ts";

export interface KeyRing {
  /** Seals from now on. From memory; a tenant's first use makes its first key. */
  current(tenant: TenantId): DataKey | Promise<DataKey>;
  /** @throws PerdureError `payload.unreadable` where the tenant has no such key. */
  get(tenant: TenantId, version: number): DataKey | Promise<DataKey>;
  /** Makes a new key, with which this process seals at once and others within `refreshMs`. All earlier ones go on opening. */
  rotate(tenant: TenantId): Promise<DataKey>;
}

export interface KeyRingOptions {
  masters: readonly MasterKey[];
  store: Pick<PayloadStore, "keys" | "addKey">;
  /** How old what is known of a tenant's keys may be. */
  refreshMs: number;
}

/** Tenants whose keys are kept; the one not used for the longest time is forgotten first. */
const TENANTS_KEPT = 10_000;
/** A version that is not there is not asked for again before this. */
const ASK_AGAIN_MS = 1_000;
/** Processes that make the same version at once take turns. */
const MAKE_ATTEMPTS = 10;

interface Known {
  byVersion: ReadonlyMap<number, DataKey>;
  newest: DataKey;
  at: number;
}

export function createKeyRing({ masters, store, refreshMs }: KeyRingOptions): KeyRing {
  const known = new Map<TenantId, Known>();
  const loading = new Map<TenantId, Promise<Known>>();

  function remember(tenant: TenantId, keys: readonly DataKey[]): Known | undefined {
    const newest = keys.at(-1);
    if (!newest) return undefined;
    const entry = { byVersion: new Map(keys.map((key) => [key.version, key])), newest, at: Date.now() };
    known.delete(tenant);
    known.set(tenant, entry);
    for (const oldest of known.keys()) {
      if (known.size <= TENANTS_KEPT) break;
      known.delete(oldest);
    }
    return entry;
  }

  async function read(tenant: TenantId): Promise<Known | undefined> {
    const rows = await store.keys(tenant);
    return remember(
      tenant,
      rows.map((row) => dataKey(row.version, unwrap(masters, tenant, row))),
    );
  }

  async function make(tenant: TenantId, isEnough: (found: Known | undefined) => boolean): Promise<Known> {
    for (let attempt = 0; attempt < MAKE_ATTEMPTS; attempt++) {
      const found = await read(tenant);
      if (found && isEnough(found)) return found;
      const version = (found?.newest.version ?? 0) + 1;
      await store.addKey(tenant, wrap(masters, tenant, version, randomBytes(KEY_BYTES)));
    }
    throw new PerdureError("resource.conflict", "Others are making keys at the same time; try again.");
  }

  function load(tenant: TenantId): Promise<Known> {
    const running = loading.get(tenant);
    if (running) return running;
    const started = make(tenant, () => true).finally(() => loading.delete(tenant));
    loading.set(tenant, started);
    return started;
  }

  return {
    current(tenant) {
      const entry = known.get(tenant);
      if (!entry) return load(tenant).then(({ newest }) => newest);
      // An older key still seals well: nobody waits for the newer one.
      if (Date.now() - entry.at > refreshMs) load(tenant).catch(() => undefined);
      return entry.newest;
    },

    get(tenant, version) {
      const entry = known.get(tenant);
      const key = entry?.byVersion.get(version);
      if (key) return key;
      if (entry && Date.now() - entry.at < ASK_AGAIN_MS && entry.newest.version >= version) throw unknownKey(version);
      return load(tenant).then(({ byVersion }) => {
        const found = byVersion.get(version);
        if (!found) throw unknownKey(version);
        return found;
      });
    },

    async rotate(tenant) {
      const before = (await load(tenant)).newest.version;
      return (await make(tenant, (found) => (found?.newest.version ?? 0) > before)).newest;
    },
  };
}

function unknownKey(version: number): PerdureError {
  return new PerdureError("payload.unreadable", `A payload is sealed with key ${version}, which this organization does not have.`);
}
