import type { Json, JsonObject, TenantId } from "#core";
import type { Page, Paged } from "./paging.ts";

/** A value that graphs read by name: of the organization (`workflowId` null) or of one workflow. */
export interface Variable {
  id: string;
  workflowId: string | null;
  name: string;
  value: Json;
  description: string;
  revision: number;
  createdBy: string | null;
  createdAt: Date;
  updatedAt: Date;
}

/** Of one scope: an organization, or one workflow. */
export interface VariableLimits {
  max: number;
  /** Names and values as JSON, in all. */
  maxBytes: number;
}

export interface Variables {
  /** By name; undefined where there is no such workflow. */
  list(tenant: TenantId, workflowId: string | null, filter: { search?: string }, page: Page): Promise<Paged<Variable> | undefined>;
  get(tenant: TenantId, workflowId: string | null, name: string): Promise<Variable | undefined>;
  /**
   * Makes it, or changes what it is; a description that is left out stays. Undefined where there is no such workflow.
   * @throws PerdureError `resource.conflict` where it must be new and is not; `precondition.failed`; `validation.failed` and `request.too_large` beyond the limits.
   */
  set(
    tenant: TenantId,
    workflowId: string | null,
    variable: { name: string; value: Json; description?: string; createdBy: string | null },
    limits: VariableLimits,
    options?: { expectedRevision?: number; mustBeNew?: boolean },
  ): Promise<{ variable: Variable; created: boolean } | undefined>;
  /** @throws PerdureError `precondition.failed`. */
  remove(tenant: TenantId, workflowId: string | null, name: string, expectedRevision?: number): Promise<boolean>;
  /** What a run of the workflow begins with: the workflow's where both have one of a name. One round trip; on the hot path of `execute`. */
  forRun(tenant: TenantId, workflowId: string | null): Promise<JsonObject>;
}
