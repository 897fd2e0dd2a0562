import type { TenantId } from "#core";
import type { Page, Paged } from "./paging.ts";

/** A credential as lists show it: nothing of what it holds. */
export interface Credential {
  id: string;
  name: string;
  /** Of the registry in `nodes/credential-types.ts`. */
  type: string;
  description: string;
  /** Names of the fields that are set. */
  fields: string[];
  /** Raised by every change of what people see. */
  revision: number;
  createdBy: string | null;
  createdAt: Date;
  updatedAt: Date;
  testedAt: Date | null;
  testResult: CredentialVerdict | null;
}

export interface CredentialVerdict {
  /** `unknown`: the other side did not say. */
  verdict: "valid" | "invalid" | "unknown";
  message: string;
}

/** What a credential holds, sealed with the tenant's data key of that version. */
export interface SealedBytes {
  keyVersion: number;
  sealed: Buffer;
}

export type SealedCredential = Pick<Credential, "id" | "type"> & SealedBytes;

/** A workflow that names a credential. */
export interface CredentialUse {
  workflowId: string;
  workflowName: string;
  /** Its versions that name it and may run again or still do: the newest, the published, and those of open runs. */
  versions: number[];
  isCurrent: boolean;
  isPublished: boolean;
  openRuns: number;
}

export interface CredentialRows {
  /** @throws PerdureError `resource.conflict` where the name is taken; `validation.failed` beyond `max` of the tenant. */
  create(
    tenant: TenantId,
    credential: Pick<Credential, "id" | "name" | "type" | "description" | "fields" | "createdBy"> & SealedBytes,
    max: number,
  ): Promise<Credential>;
  get(tenant: TenantId, id: string): Promise<Credential | undefined>;
  list(
    tenant: TenantId,
    filter: { type?: string; search?: string; order?: "name" | "-name" | "created_at" | "-created_at" },
    page: Page,
  ): Promise<Paged<Credential>>;
  /**
   * What was told by a test stays only where the values do. `values.before`: what they replace.
   * @throws PerdureError `resource.conflict` where the name is taken, or somebody else replaced the values meanwhile; `precondition.failed`.
   */
  update(
    tenant: TenantId,
    id: string,
    fields: Partial<Pick<Credential, "name" | "description">>,
    values?: Pick<Credential, "type" | "fields"> & SealedBytes & { before: Buffer },
    expectedRevision?: number,
  ): Promise<Credential | undefined>;
  /** For good. False where there is none. @throws PerdureError `resource.conflict` that names the workflows that use it, unless forced. */
  remove(tenant: TenantId, id: string, options: { force: boolean; expectedRevision?: number }): Promise<boolean>;
  /** By the workflows' names. */
  usage(tenant: TenantId, id: string): Promise<CredentialUse[]>;
  /** Types by id, of those there are. */
  types(tenant: TenantId, ids: readonly string[]): Promise<Map<string, string>>;
  sealed(tenant: TenantId, ids: readonly string[]): Promise<SealedCredential[]>;
  /** Where the values are still those that were tested. */
  noteTest(tenant: TenantId, id: string, tested: Buffer, result: CredentialVerdict): Promise<void>;
}
