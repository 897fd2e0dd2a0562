import type { Json, TenantId } from "#core";
import type { Approval } from "../../runs/types.ts";
import type { Page, Paged } from "./paging.ts";

export interface Approvals {
  /** `assignee`: the names one person goes by (id, e-mail address), found in any case and with blanks around; also what is for everybody. */
  list(tenant: TenantId, filter: { status?: Approval["status"]; runId?: string; assignee?: readonly string[] }, page: Page): Promise<Paged<Approval>>;
  get(tenant: TenantId, id: string): Promise<Approval | undefined>;
  forNode(tenant: TenantId, runId: string, nodeId: string, iteration: string): Promise<Approval | undefined>;
  answered(tenant: TenantId, id: string, answer: { decision: string; data: Json | null; comment: string | null; by: string; at: Date }): Promise<void>;
}
