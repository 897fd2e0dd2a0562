import { PerdureError, type TenantId } from "#core";
import type { Database, SealedBytes, SealedCredential } from "#db";
import type { CredentialValues, LiveCredential } from "#nodes";
import type { Payloads } from "#payloads";

export interface CredentialVault {
  seal(tenant: TenantId, id: string, values: CredentialValues): Promise<SealedBytes>;
  /** @throws PerdureError `payload.unreadable`. */
  open(tenant: TenantId, credential: SealedCredential): Promise<CredentialValues>;
  /** Those of the tenant there are, by id. @throws PerdureError `payload.unreadable`, `database.unavailable`. */
  read(tenant: TenantId, ids: readonly string[]): Promise<Map<string, LiveCredential>>;
  /** Seals with the newest data key what older ones sealed; returns how many. Safe while others read and write. */
  reseal(tenant: TenantId): Promise<number>;
}

/** Read at once when sealing anew. */
const BATCH = 100;

export function createCredentialVault({
  rows,
  payloads,
}: {
  rows: Pick<Database["credentials"], "sealed" | "sealedBefore" | "reseal">;
  payloads: Pick<Payloads, "seal" | "open">;
}): CredentialVault {
  const seal: CredentialVault["seal"] = (tenant, id, values) => payloads.seal(tenant, contextOf(id), Buffer.from(JSON.stringify(values)));
  const open: CredentialVault["open"] = async (tenant, credential) =>
    JSON.parse((await payloads.open(tenant, contextOf(credential.id), credential)).toString("utf8")) as CredentialValues;

  return {
    seal,
    open,

    async read(tenant, ids) {
      const found = await rows.sealed(tenant, ids);
      const opened = await Promise.all(found.map(async (row): Promise<LiveCredential> => ({ id: row.id, type: row.type, values: await open(tenant, row) })));
      return new Map(opened.map((credential) => [credential.id, credential]));
    },

    async reseal(tenant) {
      let resealed = 0;
      const { keyVersion } = await payloads.seal(tenant, "version", Buffer.alloc(0));
      for (;;) {
        const old = await rows.sealedBefore(tenant, keyVersion, BATCH);
        if (old.length === 0) return resealed;
        for (const row of old) {
          const anew = await seal(tenant, row.id, await open(tenant, row));
          if (anew.keyVersion <= row.keyVersion) throw new PerdureError("internal", "A credential was sealed with an older key.");
          if (await rows.reseal(tenant, row.id, row.sealed, anew)) resealed++;
        }
      }
    },
  };
}

function contextOf(id: string): string {
  return `credential/${id}`;
}
