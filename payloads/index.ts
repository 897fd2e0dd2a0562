/** What Temporal stores of ours: compressed, sealed with the tenant's key, and beside it where it is large (docs/decisions/012-payload-codec.md). */
import { fileURLToPath } from "node:url";
import type { DataConverter, Payload } from "@temporalio/common";
import type { TenantId } from "#core";
import type { PayloadKeyRow, PayloadStore, SealedBytes, SealedKind } from "#db";
import type { Env, MasterKey } from "#platform";
import { claimedBytes, createTenantCodec, toPayloadCodec, isSealed } from "./codec.ts";
import { createKeyRing } from "./key-ring.ts";
import { open, seal } from "./seal.ts";
import { noMasterKeys, unwrap, wrap } from "./wrapping.ts";

/** For `bundleWorkflowCode` as well: the sandbox makes the failures. */
export const failureConverterPath = fileURLToPath(new URL("./failure-converter.ts", import.meta.url));

export { patientStore } from "./patient-store.ts";
export { reseal } from "./resealing.ts";
export { type Rotation, rotateKeys } from "./rotation.ts";

/** What is sealed: authenticated with it, not stored. */
export interface SealedName {
  kind: SealedKind;
  id: string;
}

export interface Payloads {
  /** For Temporal's client and worker. */
  dataConverter: DataConverter;
  encode(tenant: TenantId, payloads: readonly Payload[]): Promise<Payload[]>;
  /**
   * What is larger than PAYLOAD_SHOWN_MAX_BYTES comes back as a sentence that says how large it is, and so does what comes when
   * PAYLOAD_SHOWN_TOTAL_MAX_BYTES have been opened: a small request may name the same payload a thousand times. @throws PerdureError `payload.unreadable`.
   */
  show(tenant: TenantId, payloads: readonly Payload[]): Promise<Payload[]>;
  /** Makes a new data key; returns its version. What earlier ones sealed stays readable. */
  rotate(tenant: TenantId): Promise<number>;
  /** Version of the data key that seals; a tenant's first use makes its first key. */
  newestKey(tenant: TenantId): Promise<number>;
  /** Seals what is kept in the database with the tenant's newest data key. It opens under its name alone. */
  seal(tenant: TenantId, name: SealedName, bytes: Uint8Array): Promise<SealedBytes>;
  /** @throws PerdureError `payload.unreadable`. */
  open(tenant: TenantId, name: SealedName, sealed: SealedBytes): Promise<Buffer>;
  /** @throws PerdureError `configuration.invalid` where PAYLOAD_KEYS cannot open a key of this database. */
  check(): Promise<void>;
  /** Wraps every data key with the first of PAYLOAD_KEYS, after which the others can go. Gives how many were wrapped anew, batch by batch. */
  rewrap(): AsyncGenerator<number, void, undefined>;
  /** Organizations and users that have a data key, and none that was made since `olderThan`. */
  tenants(filter?: { olderThan?: Date }): AsyncGenerator<TenantId, void, undefined>;
}

type Settings = Pick<
  Env,
  | "PAYLOAD_KEYS"
  | "PAYLOAD_INLINE_MAX_BYTES"
  | "PAYLOAD_COMPRESS_FROM_BYTES"
  | "PAYLOAD_CACHE_BYTES"
  | "PAYLOAD_CACHE_IDLE_MS"
  | "PAYLOAD_KEY_REFRESH_MS"
  | "PAYLOAD_SHOWN_MAX_BYTES"
  | "PAYLOAD_SHOWN_TOTAL_MAX_BYTES"
>;

/** @throws PerdureError `configuration.invalid` without PAYLOAD_KEYS: nothing is handed to Temporal unsealed. */
export function createPayloads({ store, env }: { store: PayloadStore; env: Settings }): Payloads {
  const masters = env.PAYLOAD_KEYS ?? [];
  const [current] = masters;
  if (!current) throw noMasterKeys();
  const keys = createKeyRing({ masters, store, refreshMs: env.PAYLOAD_KEY_REFRESH_MS });
  const codec = createTenantCodec({
    keys,
    store,
    inlineMaxBytes: env.PAYLOAD_INLINE_MAX_BYTES,
    compressFromBytes: env.PAYLOAD_COMPRESS_FROM_BYTES,
    cacheBytes: env.PAYLOAD_CACHE_BYTES,
    cacheIdleMs: env.PAYLOAD_CACHE_IDLE_MS,
  });

  /** One by one: what has been opened decides whether the next one is. */
  async function show(tenant: TenantId, payloads: readonly Payload[]): Promise<Payload[]> {
    const { PAYLOAD_SHOWN_MAX_BYTES: most, PAYLOAD_SHOWN_TOTAL_MAX_BYTES: mostInAll } = env;
    const shown: Payload[] = [];
    let opened = 0;
    for (const payload of payloads) {
      const claimed = claimedBytes(payload) ?? 0;
      if (!isSealed(payload)) shown.push(payload);
      else if (claimed > most) shown.push(sentence(`Not shown here: ${claimed} bytes. The API has it.`));
      else if (opened >= mostInAll) shown.push(sentence(`Not shown here: ${mostInAll} bytes were opened before it. Ask for fewer at once.`));
      else {
        const plain = await codec.decode(tenant, payload);
        // What a claim says of its size is not sealed, and what is sealed may have been compressed.
        const bytes = plain.data?.length ?? 0;
        opened += bytes;
        shown.push(bytes > most ? sentence(`Not shown here: ${bytes} bytes. The API has it.`) : plain);
      }
    }
    return shown;
  }

  return {
    dataConverter: { payloadCodecs: [toPayloadCodec(codec)], failureConverterPath },
    encode: (tenant, payloads) => Promise.all(payloads.map((payload) => codec.encode(tenant, payload))),
    show,
    rotate: async (tenant) => (await keys.rotate(tenant)).version,
    newestKey: async (tenant) => (await keys.current(tenant)).version,
    async seal(tenant, name, bytes) {
      const { version, secret } = await keys.current(tenant);
      return { keyVersion: version, sealed: seal(secret, storedContext(tenant, version, name), bytes) };
    },
    async open(tenant, name, { keyVersion, sealed }) {
      const { secret } = await keys.get(tenant, keyVersion);
      return open(secret, storedContext(tenant, keyVersion, name), sealed);
    },
    check: async () => checkMasterKeys(masters, await store.keySamples()),
    async *rewrap() {
      let after: { tenantId: TenantId; version: number } | undefined;
      for (;;) {
        const old = await store.keysWrappedByOthers(current.id, after);
        after = old.at(-1);
        if (!after) return;
        for (const row of old) await store.rewrapKey(row.tenantId, wrap(masters, row.tenantId, row.version, unwrap(masters, row.tenantId, row)));
        yield old.length;
      }
    },
    async *tenants({ olderThan } = {}) {
      let after: TenantId | undefined;
      for (;;) {
        const found = await store.keyOwners({ ...(after && { after }), ...(olderThan && { olderThan }) });
        after = found.at(-1);
        if (!after) return;
        yield* found;
      }
    },
  };
}

/** @throws PerdureError `configuration.invalid` where the master keys cannot open one of these. */
export function checkMasterKeys(masters: readonly MasterKey[], wrapped: readonly (PayloadKeyRow & { tenantId: TenantId })[]): void {
  for (const row of wrapped) unwrap(masters, row.tenantId, row);
}

function sentence(text: string): Payload {
  return { metadata: { encoding: Buffer.from("json/plain") }, data: Buffer.from(JSON.stringify(text)) };
}

function storedContext(tenant: TenantId, version: number, { kind, id }: SealedName): string {
  return `perdure stored/${tenant}/${version}/${kind}/${id}`;
}
