import type { TenantId } from "#core";
import type { SealedRows } from "#db";
import type { Payloads } from "./index.ts";
import { reseal, type Resealed } from "./resealing.ts";

export interface Rotation extends Resealed {
  /** Data keys that were wrapped with another master key. */
  wrapped: number;
  /** Organizations and users with a new data key. */
  newKeys: number;
  /** Organizations and users that were gone through. */
  owners: number;
  /** False where `signal` came first. */
  isComplete: boolean;
}

export interface RotationOptions {
  payloads: Payloads;
  rows: SealedRows;
  /**
   * `wrap`: only wraps every data key with the first master key. `seal`: then seals with the newest data keys what older ones sealed. `keys`: makes new data keys in
   * between, for those whose newest was made before `since`.
   */
  until: "wrap" | "seal" | "keys";
  /** When the rotation began that this one goes on with. @default now */
  since?: Date;
  /** These alone, whenever their keys were made. @default all that have a key */
  tenants?: readonly TenantId[];
  /** Told after each organization and user. */
  progress?: (sofar: Readonly<Rotation>) => void;
  /** Stops between two of them. */
  signal?: AbortSignal;
}

/**
 * After it, everything there is opens with the first master key alone and, unless only wrapped, all of `SEALED` is under the newest data keys. Each step stands by
 * itself: a rotation that was interrupted, or runs beside another one, does no harm and is completed by the next.
 * @throws PerdureError `configuration.invalid` where PAYLOAD_KEYS lacks a master key that is in use; `database.unavailable`.
 */
export async function rotateKeys({ payloads, rows, until, since = new Date(), tenants, progress, signal }: RotationOptions): Promise<Rotation> {
  const sofar: Rotation = { wrapped: 0, newKeys: 0, owners: 0, resealed: 0, unreadable: [], isComplete: false };
  for await (const wrapped of payloads.rewrap()) {
    sofar.wrapped += wrapped;
    progress?.(sofar);
    if (signal?.aborted) return sofar;
  }
  if (until === "keys") {
    for await (const tenant of tenants ?? payloads.tenants({ olderThan: since })) {
      if (signal?.aborted) return sofar;
      await payloads.rotate(tenant);
      sofar.newKeys++;
      progress?.(sofar);
    }
  }
  if (until !== "wrap") {
    for await (const tenant of tenants ?? payloads.tenants()) {
      if (signal?.aborted) return sofar;
      const { resealed, unreadable } = await reseal({ rows, payloads, tenant });
      sofar.owners++;
      sofar.resealed += resealed;
      sofar.unreadable.push(...unreadable);
      progress?.(sofar);
    }
  }
  return { ...sofar, isComplete: true };
}
