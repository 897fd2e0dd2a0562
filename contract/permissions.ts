/** Who may do what. A role is what a member is in an organization (`db` stores it); a permission is what a route asks for. */
export const ROLES = ["admin", "editor", "operator", "viewer"] as const;
export type RoleName = (typeof ROLES)[number];

export const PERMISSIONS = [
  "account.read",
  "account.write",
  "session.manage",
  "api_key.manage",
  "organization.read",
  "organization.write",
  "organization.erase",
  "member.read",
  "member.manage",
  "audit.read",
  "node.read",
  "node.write",
  "variable.read",
  "variable.write",
  "live.read",
  "live.publish",
  "workflow.read",
  "workflow.write",
  "workflow.publish",
  "run.read",
  "run.start",
  "run.ad_hoc",
  "run.control",
  "approval.read",
  "approval.answer",
  "schedule.read",
  "schedule.write",
  "credential.read",
  "credential.write",
  "webhook.read",
  "webhook.write",
  "key.rotate",
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** What each means, for people. */
export const PERMISSION_MEANINGS: Readonly<Record<Permission, string>> = {
  "account.read": "See who one is and to which organizations one belongs",
  "account.write": "Change one's own account: join an organization",
  "session.manage": "See and end one's own sessions; change one's password, second factor and identities at providers",
  "api_key.manage": "Make, list and revoke one's own API keys; an admin those of all",
  "organization.read": "See the organization",
  "organization.write": "Rename the organization, limit its runs and the hosts it reaches, say what is kept how long",
  "organization.erase": "Erase the organization and everything of it",
  "member.read": "List the members",
  "member.manage": "Invite, change roles, remove members",
  "audit.read": "Read and export the audit log",
  "node.read": "List node types",
  "node.write": "Register, change and delete node types of the organization",
  "variable.read": "See variables of the organization and of workflows",
  "variable.write": "Make, change and delete them",
  "live.read": "Open the live hub, see who watches what",
  "live.publish": "Send messages to those who watch",
  "workflow.read": "See workflows, versions and templates",
  "workflow.write": "Save, import and delete workflows",
  "workflow.publish": "Publish a version",
  "run.read": "See runs, their nodes and events",
  "run.start": "Start a saved workflow; retry, fork and replay; start a schedule now, backfill it",
  "run.ad_hoc": "Run a graph that is not saved, test an HTTP request",
  "run.control": "Cancel, pause, resume and change live runs; pause and resume schedules",
  "approval.read": "See what waits for people",
  "approval.answer": "Answer it",
  "schedule.read": "See schedules and what became of their moments",
  "schedule.write": "Make, change and delete schedules",
  "credential.read": "See credentials, never their values",
  "credential.write": "Make, change, try and delete credentials",
  "webhook.read": "See webhooks and what came in, never their tokens",
  "webhook.write": "Change webhooks, see and rotate their tokens, deliver again",
  "key.rotate": "Have the organization's data sealed with a new key",
};

const viewer: readonly Permission[] = [
  "account.read",
  "account.write",
  "session.manage",
  "organization.read",
  "member.read",
  "node.read",
  "variable.read",
  "live.read",
  "workflow.read",
  "run.read",
  "approval.read",
  "webhook.read",
  "schedule.read",
];
const operator: readonly Permission[] = [...viewer, "api_key.manage", "run.start", "run.control", "approval.answer", "live.publish"];
const editor: readonly Permission[] = [
  ...operator,
  "run.ad_hoc",
  "node.write",
  "variable.write",
  "workflow.write",
  "workflow.publish",
  "credential.read",
  "credential.write",
  "webhook.write",
  "schedule.write",
];

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

/** Permissions that need a person: a key cannot manage who has access, so that one which leaks makes no other. */
const PERSONAL: ReadonlySet<Permission> = new Set<Permission>(["account.write", "session.manage", "organization.erase", "api_key.manage", "member.manage"]);

/** What an API key may be given. */
export const SCOPES = PERMISSIONS.filter((permission) => !PERSONAL.has(permission));

export function isScope(text: string): text is Permission {
  return (SCOPES as readonly string[]).includes(text);
}
