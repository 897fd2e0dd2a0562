import type { JsonObject, TenantId } from "#core";
import type { Page, Paged } from "./paging.ts";

/** A node type that an organization has registered, as its newest version is. */
export interface CustomNode {
  id: string;
  /** Without the prefix that graphs write before it. */
  name: string;
  version: number;
  revision: number;
  /** As `nodes/custom/` reads it. */
  definition: JsonObject;
  createdBy: string | null;
  createdAt: Date;
  updatedAt: Date;
}

export interface CustomNodes {
  /** One that was deleted comes back with another version. @throws PerdureError `resource.conflict` where there is one; `validation.failed` beyond `max`. */
  register(tenant: TenantId, node: Pick<CustomNode, "name" | "definition" | "createdBy">, max: number): Promise<CustomNode>;
  /** A new version, unless it is the same. @throws PerdureError `precondition.failed`. */
  update(tenant: TenantId, name: string, node: Pick<CustomNode, "definition" | "createdBy">, expectedRevision?: number): Promise<CustomNode | undefined>;
  get(tenant: TenantId, name: string): Promise<CustomNode | undefined>;
  /** All, by name. */
  list(tenant: TenantId): Promise<CustomNode[]>;
  /** Of these names, those there are. */
  named(tenant: TenantId, names: readonly string[]): Promise<CustomNode[]>;
  /** The newest first; undefined where there is no such type. */
  versions(tenant: TenantId, name: string, page: Page): Promise<Paged<Pick<CustomNode, "version" | "definition" | "createdBy" | "createdAt">> | undefined>;
  /** Soft: what was compiled with it goes on. @throws PerdureError `precondition.failed`. */
  remove(tenant: TenantId, name: string, expectedRevision?: number): Promise<boolean>;
}
