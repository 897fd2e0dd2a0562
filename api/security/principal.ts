import { type Permission, type RoleName, may } from "#contract";
import type { TenantId } from "#core";

/** Who is calling: a member, or an API key for the member who made it. */
export interface Principal {
  readonly userId: string;
  readonly tenantId: TenantId;
  readonly role: RoleName;
  /** What they signed in with; not of an API key. */
  readonly sessionId?: string;
  /** Only of an API key. */
  readonly apiKey?: { readonly id: string; readonly scopes: ReadonlySet<string> };
}

/** A key never may more than its creator, and never more than its scopes. */
export function allows({ role, apiKey }: Pick<Principal, "role" | "apiKey">, permission: Permission): boolean {
  return may(role, permission) && (apiKey === undefined || apiKey.scopes.has(permission));
}
