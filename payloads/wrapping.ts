import { PerdureError, type TenantId } from "#core";
import type { PayloadKeyRow } from "#db";
import type { MasterKey } from "#platform";
import { open, seal } from "./seal.ts";

/** The id of the master key that `npm start` makes where PAYLOAD_KEYS is left out. */
const EMBEDDED_ID = "embedded";

const contextOf = (tenant: TenantId, version: number): string => `perdure data key/${tenant}/${version}`;

/** Seals a data key with the current master key. */
export function wrap([current]: readonly MasterKey[], tenant: TenantId, version: number, secret: Buffer): PayloadKeyRow {
  if (!current) throw noMasterKeys();
  return { version, masterId: current.id, wrapped: seal(current.key, contextOf(tenant, version), secret) };
}

/** @throws PerdureError `configuration.invalid` where PAYLOAD_KEYS lacks the master key, or has another one under its id. */
export function unwrap(masters: readonly MasterKey[], tenant: TenantId, { version, masterId, wrapped }: PayloadKeyRow): Buffer {
  const master = masters.find(({ id }) => id === masterId);
  if (!master) {
    const place =
      masterId === EMBEDDED_ID
        ? " `npm start` made that one and keeps it in secrets.json of its data folder (.perdure): leave PAYLOAD_KEYS out and it is used, or add it there as embedded:<key>."
        : "";
    throw new PerdureError("configuration.invalid", `PAYLOAD_KEYS lacks the master key "${masterId}", which wraps keys of this database.${place}`);
  }
  try {
    return open(master.key, contextOf(tenant, version), wrapped);
  } catch (cause) {
    throw new PerdureError("configuration.invalid", `The master key "${masterId}" in PAYLOAD_KEYS is not the one that wrapped keys of this database.`, {
      cause,
    });
  }
}

export function noMasterKeys(): PerdureError {
  return new PerdureError(
    "configuration.invalid",
    "PAYLOAD_KEYS is not set. It wraps the keys that seal what Temporal stores: give all api and worker processes the same `id:key`, made with `openssl rand -base64 32`.",
  );
}
