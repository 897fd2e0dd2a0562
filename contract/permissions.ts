/** Who may do what. A role is what a member is in an organization (`db` stores it); a permission is what a route asks for. */
export const ROLES = ["admin", "editor", "operator", "viewer"] as const;
export type RoleName = (typeof ROLES)[number];

export const PERMISSIONS = [
  "account.read",
  "organization.write",
  "node.read",
  "workflow.read",
  "workflow.write",
  "workflow.publish",
  "run.read",
  "run.start",
  "run.ad_hoc",
  "run.control",
  "approval.read",
  "approval.answer",
  "credential.read",
  "credential.write",
  "key.rotate",
] as const;
export type Permission = (typeof PERMISSIONS)[number];

const viewer: readonly Permission[] = ["account.read", "node.read", "workflow.read", "run.read", "approval.read"];
const operator: readonly Permission[] = [...viewer, "run.start", "run.control", "approval.answer"];
const editor: readonly Permission[] = [...operator, "run.ad_hoc", "workflow.write", "workflow.publish", "credential.read", "credential.write"];

const GRANTS: Readonly<Record<RoleName, ReadonlySet<Permission>>> = {
  viewer: new Set(viewer),
  operator: new Set(operator),
  editor: new Set(editor),
  admin: new Set(PERMISSIONS),
};

export function isRole(text: string): text is RoleName {
  return (ROLES as readonly string[]).includes(text);
}

/** @returns false for a role that is not in the table. */
export function may(role: RoleName, permission: Permission): boolean {
  return GRANTS[role].has(permission);
}
