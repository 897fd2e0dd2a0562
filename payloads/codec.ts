import type { Payload, PayloadCodec } from "@temporalio/common";
import type { SerializationContext } from "@temporalio/common/lib/converter/serialization-context.js";
import { isUuid, PerdureError, type TenantId } from "#core";
import type { PayloadStore } from "#db";
import { ByteCache } from "./byte-cache.ts";
import { type Content, contentOf, expand, payloadOf, shrink } from "./content.ts";
import type { KeyRing } from "./key-ring.ts";
import { contentHash, type DataKey, open, seal, SEAL_BYTES } from "./seal.ts";

export interface CodecOptions {
  keys: KeyRing;
  store: Pick<PayloadStore, "useBlob" | "putBlob" | "getBlob">;
  /** Of a sealed payload that travels itself. */
  inlineMaxBytes: number;
  compressFromBytes: number;
  /** Of blobs, opened, that are kept in memory. */
  cacheBytes: number;
  /** What is kept and not used for so long is forgotten. */
  cacheIdleMs: number;
}

/** The codec of one tenant: what a workflow id would say is given. */
export interface TenantCodec {
  encode(tenant: TenantId, payload: Payload): Promise<Payload>;
  /** @throws PerdureError `payload.unreadable`; `database.unavailable`. What is not sealed comes back as it is. */
  decode(tenant: TenantId, payload: Payload): Promise<Payload>;
}

/** Gives bytes of their own. */
const TEXT = new TextEncoder();
const SEALED = "binary/sealed";
/** Names a blob. */
const CLAIM = "binary/sealed-claim";
const SEALED_BYTES = Buffer.from(SEALED);
const CLAIM_BYTES = Buffer.from(CLAIM);
/** Contents from here on are looked up before they are compressed and sealed again: a plan that starts a thousand runs is sealed once. */
const LOOK_UP_FROM_BYTES = 10 * 1024;
/** Of `cacheBytes`, for what was sealed. */
const MADE_SHARE = 1 / 8;
/** After this it is made sure again that a blob is there, and noted that it is used. */
const CLAIM_GOOD_FOR_MS = 3_600_000;
/** Stands for what would be sealed where no tenant is known: a worker's failure to process a task. The worker's log has it. */
const WITHHELD: Payload = {
  metadata: { encoding: Buffer.from("json/plain") },
  data: Buffer.from(JSON.stringify({ message: "Not shown: no organization is known here. The log of the worker has it.", stack_trace: "" })),
};

/**
 * Compresses, seals with the tenant's newest key, and stores beside Temporal what is too large for a history. Harmless to repeat: the same content of
 * one tenant has one name under one key.
 */
export function createTenantCodec({ keys, store, inlineMaxBytes, compressFromBytes, cacheBytes, cacheIdleMs }: CodecOptions): TenantCodec {
  const contents = new ByteCache<Content>(cacheBytes, cacheIdleMs);
  const made = new ByteCache<{ payload: Payload; until: number }>(cacheBytes * MADE_SHARE, cacheIdleMs);
  const storing = new Map<string, Promise<Payload>>();
  const reading = new Map<string, Promise<Content>>();

  function keep(id: string, { form, body }: Content): void {
    contents.set(id, { form, body: ownBytes(body) }, body.length);
  }

  async function pack(key: DataKey, tenant: TenantId, content: Content, hash: string | undefined): Promise<Payload> {
    const packed = content.body.length >= compressFromBytes ? await shrink(content) : content;
    if (packed.body.length + 1 + SEAL_BYTES <= inlineMaxBytes) {
      return { metadata: metadataOf(SEALED_BYTES, key), data: seal(key.secret, contextOf(tenant, key), Buffer.of(packed.form), packed.body) };
    }
    const name = hash ?? contentHash(key, content.form, content.body);
    if (!(await store.useBlob(tenant, name))) {
      await store.putBlob(tenant, name, seal(key.secret, contextOf(tenant, key, name), Buffer.of(packed.form), packed.body));
    }
    keep(`${tenant}/${name}`, content);
    return { metadata: { ...metadataOf(CLAIM_BYTES, key), size: TEXT.encode(String(content.body.length)) }, data: Buffer.from(name) };
  }

  async function packOnce(key: DataKey, tenant: TenantId, content: Content): Promise<Payload> {
    const hash = contentHash(key, content.form, content.body);
    const id = `${tenant}/${hash}`;
    const ready = made.get(id);
    if (ready && ready.until > Date.now()) return ready.payload;
    const begun = storing.get(id);
    if (begun) return begun;
    const packing = pack(key, tenant, content, hash)
      .then((packed) => {
        const payload = { ...packed, data: ownBytes(packed.data ?? new Uint8Array()) };
        made.set(id, { payload, until: Date.now() + CLAIM_GOOD_FOR_MS }, payload.data.length + id.length);
        return payload;
      })
      .finally(() => storing.delete(id));
    storing.set(id, packing);
    return packing;
  }

  async function claimed(tenant: TenantId, key: DataKey, name: string): Promise<Content> {
    const id = `${tenant}/${name}`;
    const kept = contents.get(id);
    if (kept) return kept;
    const begun = reading.get(id);
    if (begun) return begun;
    const read = readBlob(tenant, key, name)
      .then((content) => {
        keep(id, content);
        return content;
      })
      .finally(() => reading.delete(id));
    reading.set(id, read);
    return read;
  }

  async function readBlob(tenant: TenantId, key: DataKey, name: string): Promise<Content> {
    const sealed = await store.getBlob(tenant, name);
    if (!sealed) throw new PerdureError("payload.unreadable", "A payload that is stored beside Temporal is no longer there.");
    return expand(open(key.secret, contextOf(tenant, key, name), sealed));
  }

  return {
    async encode(tenant, payload) {
      const key = await keys.current(tenant);
      const content = contentOf(payload);
      return content.body.length < LOOK_UP_FROM_BYTES ? pack(key, tenant, content, undefined) : packOnce(key, tenant, content);
    },

    async decode(tenant, payload) {
      const kind = kindOf(payload);
      if (kind === undefined) return payload;
      const key = await keys.get(tenant, versionOf(payload));
      const data = payload.data ?? new Uint8Array();
      if (kind === CLAIM) return payloadOf(await claimed(tenant, key, Buffer.from(data).toString()));
      return payloadOf(await expand(open(key.secret, contextOf(tenant, key), data)));
    },
  };
}

/**
 * What Temporal's client and worker take. The tenant is the first part of the workflow id, `<tenant>/<run>`, of whoever the payload belongs to; the
 * SDK says which for starts, updates, queries, results, signals, activities of both kinds, children, failures and user metadata.
 */
export function toPayloadCodec(codec: TenantCodec): PayloadCodec {
  return {
    async encode(payloads, context) {
      if (!context) return payloads.map(() => WITHHELD);
      const tenant = tenantIn(context);
      if (!tenant) throw new PerdureError("configuration.invalid", "A workflow's id must begin with its organization's: what it is given cannot be sealed.");
      return Promise.all(payloads.map((payload) => codec.encode(tenant, payload)));
    },
    async decode(payloads, context) {
      const tenant = context && tenantIn(context);
      if (tenant) return Promise.all(payloads.map((payload) => codec.decode(tenant, payload)));
      if (payloads.some((payload) => kindOf(payload) !== undefined)) {
        throw new PerdureError("payload.unreadable", "A sealed payload came without the workflow it belongs to.");
      }
      return payloads;
    },
  };
}

export function isSealed(payload: Payload): boolean {
  return kindOf(payload) !== undefined;
}

/** Bytes of what a claim stands for; undefined where the payload is none. */
export function claimedBytes(payload: Payload): number | undefined {
  return kindOf(payload) === CLAIM ? Number(textOf(payload, "size")) || 0 : undefined;
}

function kindOf({ metadata }: Payload): typeof SEALED | typeof CLAIM | undefined {
  const encoding = metadata?.["encoding"];
  if (!encoding) return undefined;
  return SEALED_BYTES.equals(encoding) ? SEALED : CLAIM_BYTES.equals(encoding) ? CLAIM : undefined;
}

function versionOf(payload: Payload): number {
  const version = Number(textOf(payload, "key"));
  if (!Number.isSafeInteger(version) || version < 1) throw new PerdureError("payload.unreadable", "A sealed payload does not say with which key.");
  return version;
}

function textOf({ metadata }: Payload, name: string): string {
  const value = metadata?.[name];
  return value ? Buffer.from(value).toString() : "";
}

function metadataOf(encoding: Buffer, { version }: DataKey): Record<string, Uint8Array> {
  return { encoding, key: TEXT.encode(String(version)) };
}

/** Authenticated with every payload: one tenant's opens for no other, and a blob's under no other name. */
function contextOf(tenant: TenantId, { version }: DataKey, blob = ""): string {
  return `${tenant}/${version}/${blob}`;
}

function tenantIn({ workflowId }: SerializationContext): TenantId | undefined {
  const tenant = workflowId?.slice(0, workflowId.indexOf("/")) ?? "";
  return isUuid(tenant) ? (tenant as TenantId) : undefined;
}

/** A view into a larger message, or into the pool that small buffers come from, would keep all of it in memory. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > bytes.length ? Uint8Array.from(bytes) : bytes;
}
