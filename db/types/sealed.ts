import type { TenantId } from "#core";
import type { SealedKind } from "../sealed.ts";
import type { SealedBytes } from "./credentials.ts";

export interface SealedRow extends SealedBytes {
  id: string;
}

/** What `SEALED` lists, for sealing it anew. `tenant`: the owner of the data key, an organization or a user. */
export interface SealedRows {
  /** A batch of those that are sealed with a key older than this, the oldest key first, behind `after`; [] when there are no more. */
  older(tenant: TenantId, kind: SealedKind, keyVersion: number, after?: Pick<SealedRow, "keyVersion" | "id">): Promise<SealedRow[]>;
  /** Replaces those that are as they were read; returns how many. */
  replace(tenant: TenantId, kind: SealedKind, rows: readonly { id: string; before: Buffer; after: SealedBytes }[]): Promise<number>;
}
