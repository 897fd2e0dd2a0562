import type { TenantId } from "#core";
import type { Database, SealedBytes, SealedCredential } from "#db";
import type { CredentialValues, LiveCredential } from "#nodes";
import type { Payloads, SealedName } from "#payloads";

export interface CredentialVault {
  seal(tenant: TenantId, id: string, values: CredentialValues): Promise<SealedBytes>;
  /** @throws PerdureError `payload.unreadable`. */
  open(tenant: TenantId, credential: SealedCredential): Promise<CredentialValues>;
  /** Those of the tenant there are, by id. @throws PerdureError `payload.unreadable`, `database.unavailable`. */
  read(tenant: TenantId, ids: readonly string[]): Promise<Map<string, LiveCredential>>;
}

export function createCredentialVault({
  rows,
  payloads,
}: {
  rows: Pick<Database["credentials"], "sealed">;
  payloads: Pick<Payloads, "seal" | "open">;
}): CredentialVault {
  const seal: CredentialVault["seal"] = (tenant, id, values) => payloads.seal(tenant, nameOf(id), Buffer.from(JSON.stringify(values)));
  const open: CredentialVault["open"] = async (tenant, credential) =>
    JSON.parse((await payloads.open(tenant, nameOf(credential.id), credential)).toString("utf8")) as CredentialValues;

  return {
    seal,
    open,

    async read(tenant, ids) {
      const found = await rows.sealed(tenant, ids);
      const opened = await Promise.all(found.map(async (row): Promise<LiveCredential> => ({ id: row.id, type: row.type, values: await open(tenant, row) })));
      return new Map(opened.map((credential) => [credential.id, credential]));
    },
  };
}

function nameOf(id: string): SealedName {
  return { kind: "credential", id };
}
