import type { Json, JsonObject, TenantId } from "#core";
import type { Plan } from "#graph";
import type { Page, Paged } from "./paging.ts";
import type { TimerSchedule } from "./schedules.ts";
import type { NewWebhook } from "./webhooks.ts";

export interface Workflow {
  id: string;
  name: string;
  description: string;
  tags: string[];
  settings: JsonObject;
  isPublic: boolean;
  /** The newest version. */
  version: number;
  /** Raised by every change, of the row or of the graph. */
  revision: number;
  publishedVersion: number | null;
  createdBy: string | null;
  createdAt: Date;
  updatedAt: Date;
  deletedAt: Date | null;
}

/** Orders of a list of workflows; `-` is the reverse. */
export type WorkflowOrder = "name" | "-name" | "created_at" | "-created_at" | "updated_at" | "-updated_at";

export interface WorkflowFilter {
  /** Part of the name or description. */
  search?: string;
  /** All of them. */
  tags?: string[];
  isPublic?: boolean;
  /** Whether a version is published. */
  isPublished?: boolean;
  /** Those that were deleted, instead of the others. */
  deleted?: boolean;
  /** Leaves the graphs unread: each row has null for it. */
  withoutGraph?: boolean;
  /** @default "-created_at" */
  order?: WorkflowOrder;
}

export interface WorkflowVersion {
  version: number;
  /** As it was sent: unknown fields and all. */
  graph: Json;
  /** Absent where the graph has problems (a draft). */
  plan: Plan | null;
  problems: Json[];
  /** SHA-256 of the graph's stable JSON; saving the same graph again makes no new version, unless it compiles to something else by now. */
  hash: string;
  createdBy: string | null;
  createdAt: Date;
}

export interface NewVersion {
  /** Its webhook nodes: their webhooks are made as it is saved, and brought in line with it where calls run it. Left out, they stay as they are. */
  webhooks?: NewWebhook[];
  graph: Json;
  plan: Plan | null;
  problems: Json[];
  hash: string;
  createdBy: string | null;
  /** Ids of the credentials that its nodes name. */
  credentials?: string[];
}

export interface PublishOptions {
  expectedRevision?: number;
  timers?: readonly TimerSchedule[];
  /** Its webhook nodes, whose settings hold from then on. */
  webhooks?: readonly NewWebhook[];
  /** Whose schedules they are. */
  by?: string;
}

export interface Workflows {
  create(
    tenant: TenantId,
    workflow: { name: string; description: string; tags: string[]; settings: JsonObject; isPublic: boolean; createdBy: string | null },
    version: NewVersion,
  ): Promise<{ workflow: Workflow; version: WorkflowVersion }>;
  list(tenant: TenantId, filter: WorkflowFilter, page: Page): Promise<Paged<Workflow & { graph: Json }>>;
  get(tenant: TenantId, id: string): Promise<{ workflow: Workflow; version: WorkflowVersion } | undefined>;
  /** Saves fields and, where given and different in graph, plan or problems, a new version, in one transaction. `expectedRevision` guards against lost updates (`precondition.failed`). */
  update(
    tenant: TenantId,
    id: string,
    fields: Partial<Pick<Workflow, "name" | "description" | "tags" | "settings" | "isPublic">>,
    version?: NewVersion,
    expectedRevision?: number,
  ): Promise<{ workflow: Workflow; version: WorkflowVersion } | undefined>;
  /** Soft: its runs stay readable. Its schedules go with it. @throws PerdureError `precondition.failed`. */
  remove(tenant: TenantId, id: string, expectedRevision?: number): Promise<boolean>;
  /** Takes a deletion back; one that is not deleted stays as it is. */
  restore(tenant: TenantId, id: string): Promise<{ workflow: Workflow; version: WorkflowVersion } | undefined>;
  /** The newest first. */
  versions(tenant: TenantId, id: string, page: Page): Promise<Paged<Omit<WorkflowVersion, "plan" | "graph">> | undefined>;
  version(tenant: TenantId, id: string, version: number): Promise<WorkflowVersion | undefined>;
  /** `timers` of the version become the workflow's schedules, in the same transaction. @throws PerdureError `precondition.failed`. */
  publish(tenant: TenantId, id: string, version: number, options?: PublishOptions): Promise<Workflow | undefined>;
  /** What running takes: the version asked for, else the published, else the newest. One round trip; on the hot path of `execute`. */
  runnable(tenant: TenantId, id: string, version?: number): Promise<{ workflow: Workflow; version: WorkflowVersion } | undefined>;
}
