import { PerdureError, type TenantId } from "#core";
import { SEALED_KINDS, type SealedKind, type SealedRow, type SealedRows } from "#db";
import type { Payloads } from "./index.ts";

export interface Resealed {
  resealed: number;
  /** What no key of its owner opens; it is left as it is. */
  unreadable: { tenant: TenantId; kind: SealedKind; id: string }[];
}

export interface ResealOptions {
  rows: SealedRows;
  payloads: Pick<Payloads, "newestKey" | "seal" | "open">;
  tenant: TenantId;
  /** @default all of `SEALED` */
  kinds?: readonly SealedKind[];
}

/**
 * Seals with the newest data key of an organization or user what older ones sealed, batch by batch. Safe while others read and write, at any number of times and
 * after any interruption: what has changed meanwhile is left to who changed it.
 * @throws PerdureError `configuration.invalid` where PAYLOAD_KEYS lacks a master key; `database.unavailable`.
 */
export async function reseal({ rows, payloads, tenant, kinds = SEALED_KINDS }: ResealOptions): Promise<Resealed> {
  const done: Resealed = { resealed: 0, unreadable: [] };
  const newest = await payloads.newestKey(tenant);
  for (const kind of kinds) {
    let after: SealedRow | undefined;
    for (;;) {
      const old = await rows.older(tenant, kind, newest, after);
      after = old.at(-1);
      if (!after) break;
      const anew = [];
      for (const row of old) {
        const bytes = await opened(kind, row);
        if (bytes) anew.push({ id: row.id, before: row.sealed, after: await payloads.seal(tenant, { kind, id: row.id }, bytes) });
        else done.unreadable.push({ tenant, kind, id: row.id });
      }
      if (anew.length > 0) done.resealed += await rows.replace(tenant, kind, anew);
    }
  }
  return done;

  async function opened(kind: SealedKind, row: SealedRow): Promise<Buffer | undefined> {
    try {
      return await payloads.open(tenant, { kind, id: row.id }, row);
    } catch (error) {
      if (error instanceof PerdureError && error.code === "payload.unreadable") return undefined;
      throw error;
    }
  }
}
