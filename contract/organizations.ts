import { z } from "@hono/zod-openapi";
import { email, organizationMembership, password, personName, registration } from "./auth.ts";
import { ROLES } from "./permissions.ts";
import { PUBLIC, defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { id, idParam, ifMatch, pageHeaders, pageQuery, timestamp, withEtag } from "./values.ts";

const byId = z.object({ id: idParam });
const role = z.enum(ROLES);
const invitationToken = z.string().min(1).max(512);

export const INVITATION_STATUSES = ["open", "accepted", "revoked", "expired"] as const;

const hosts = {
  description:
    "Hosts that nodes, credentials and webhooks of this organization may reach: names, `*.suffix` or addresses, each with `:port` or without. `null`: all that the operator lets them reach. A list never opens what the operator keeps closed.",
  example: ["api.example.com", "*.internal.example:8443"],
};

export const organization = z
  .object({ id, name: z.string(), outbound_hosts: z.array(z.string()).nullable().openapi(hosts), created_at: timestamp })
  .openapi("Organization");

const organizationChange = z
  .object({ name: personName.optional(), outbound_hosts: z.array(z.string().trim().toLowerCase().min(1).max(300)).nullish().openapi(hosts) })
  .openapi("OrganizationChange");

export const member = z
  .object({ id: id.openapi({ description: "Of the user." }), email: z.string(), name: z.string(), role, joined_at: timestamp })
  .openapi("Member");

export const invitation = z
  .object({
    id,
    email: z.string(),
    role,
    status: z.enum(INVITATION_STATUSES),
    invited_by: id,
    created_at: timestamp,
    expires_at: timestamp,
    accepted_at: timestamp.nullable(),
    accepted_by: id.nullable(),
    revoked_at: timestamp.nullable(),
  })
  .openapi("Invitation");

export const newInvitation = invitation
  .extend({
    token: z.string().openapi({ description: "What the invited person accepts with. It is shown this once, and good for one use." }),
    mail_sent: z.boolean().openapi({
      description: "Whether the mail server has taken the mail that brings them the token. Where it has not, hand them the token, or have it sent again.",
    }),
  })
  .openapi("NewInvitation");

export const organizationRoutes = {
  listOrganizations: defineRoute({
    method: "get",
    path: "/api/v1/organizations",
    operationId: "listOrganizations",
    summary: "List the organizations one belongs to",
    description: "Sign in or refresh with `organization_id` to act in another one.",
    tags: ["organizations"],
    access: needs("account.read"),
    responses: { 200: jsonReply("All of them, the oldest membership first.", z.array(organizationMembership)) },
  }),
  getOrganization: defineRoute({
    method: "get",
    path: "/api/v1/organization",
    operationId: "getOrganization",
    summary: "Read the organization one acts in",
    tags: ["organizations"],
    access: needs("organization.read"),
    responses: { 200: { ...jsonReply("The organization.", organization), ...withEtag } },
  }),
  updateOrganization: defineRoute({
    method: "patch",
    path: "/api/v1/organization",
    operationId: "updateOrganization",
    rules: "`outbound_hosts` are hosts, suffixes as `*.example.com`, or addresses.",
    summary: "Change the organization",
    description: "What is left out stays as it is. A change of `outbound_hosts` is heeded by all processes within ten seconds.",
    tags: ["organizations"],
    access: needs("organization.write"),
    problems: [400, 412, 413, 422],
    request: { headers: ifMatch, body: jsonBody(organizationChange) },
    responses: { 200: { ...jsonReply("The organization.", organization), ...withEtag } },
  }),
  eraseOrganization: defineRoute({
    method: "delete",
    path: "/api/v1/organization",
    operationId: "eraseOrganization",
    summary: "Erase the organization and everything of it",
    description:
      "Cannot be undone. Within seconds nobody comes in any more and the keys of all that is sealed are deleted; then live runs are ended, and every execution in Temporal and every row is deleted. Members who belong to no other organization go too. Backups made before still hold all of it.",
    tags: ["organizations"],
    access: needs("organization.erase"),
    problems: [400, 422],
    rules: "`confirm` is the organization's name.",
    request: { query: z.object({ confirm: z.string().openapi({ description: "The organization's name, as it is written." }) }) },
    responses: { 202: jsonReply("It is being erased.", organization) },
  }),
  listMembers: defineRoute({
    method: "get",
    path: "/api/v1/members",
    operationId: "listMembers",
    summary: "List the members of the organization",
    tags: ["members"],
    access: needs("member.read"),
    problems: [400, 422],
    request: { query: pageQuery },
    responses: { 200: { ...jsonReply("One page.", z.array(member)), headers: pageHeaders } },
  }),
  getMember: defineRoute({
    method: "get",
    path: "/api/v1/members/{id}",
    operationId: "getMember",
    summary: "Read one",
    tags: ["members"],
    access: needs("member.read"),
    problems: [404],
    request: { params: byId },
    responses: { 200: { ...jsonReply("The member.", member), ...withEtag } },
  }),
  updateMember: defineRoute({
    method: "patch",
    path: "/api/v1/members/{id}",
    operationId: "updateMember",
    summary: "Give a member another role",
    description: "Takes effect within ten seconds, also for tokens and API keys that they have. The last admin stays one: 409.",
    tags: ["members"],
    access: needs("member.manage"),
    problems: [400, 404, 409, 412, 413, 422],
    request: { params: byId, headers: ifMatch, body: jsonBody(z.object({ role }).openapi("MemberChange")) },
    responses: { 200: { ...jsonReply("The member.", member), ...withEtag } },
  }),
  removeMember: defineRoute({
    method: "delete",
    path: "/api/v1/members/{id}",
    operationId: "removeMember",
    summary: "Remove a member",
    description: "Their sessions in this organization end within ten seconds, their API keys are revoked; the account stays. The last admin stays: 409.",
    tags: ["members"],
    access: needs("member.manage"),
    problems: [404, 409, 412, 422],
    request: { params: byId, headers: ifMatch },
    responses: { 204: { description: "They are no member any more." } },
  }),
  listInvitations: defineRoute({
    method: "get",
    path: "/api/v1/invitations",
    operationId: "listInvitations",
    summary: "List invitations",
    tags: ["members"],
    access: needs("member.manage"),
    problems: [400, 422],
    request: { query: pageQuery },
    responses: { 200: { ...jsonReply("One page.", z.array(invitation)), headers: pageHeaders } },
  }),
  createInvitation: defineRoute({
    method: "post",
    path: "/api/v1/invitations",
    operationId: "createInvitation",
    summary: "Invite somebody",
    description:
      "The token is mailed to the address, as a link where the server knows its pages. The answer shows it, nothing later does, and says whether the mail server took the mail: an invitation whose mail was not sent stands all the same. A new invitation of the same address revokes the one before.",
    tags: ["members"],
    access: needs("member.manage"),
    problems: [400, 409, 413, 422],
    request: { body: jsonBody(z.object({ email, role }).openapi("InvitationRequest")) },
    responses: { 201: { ...jsonReply("The invitation.", newInvitation), ...withEtag } },
  }),
  sendInvitation: defineRoute({
    method: "post",
    path: "/api/v1/invitations/{id}/send",
    operationId: "sendInvitation",
    summary: "Send an invitation again",
    description: "With another token, good for as long as that of a new one; the one before opens nothing any more. Accepted or revoked: 409.",
    tags: ["members"],
    access: needs("member.manage"),
    problems: [404, 409, 412, 422],
    request: { params: byId, headers: ifMatch },
    responses: { 200: { ...jsonReply("The invitation, with its new token.", newInvitation), ...withEtag } },
  }),
  getInvitation: defineRoute({
    method: "get",
    path: "/api/v1/invitations/{id}",
    operationId: "getInvitation",
    summary: "Read one",
    tags: ["members"],
    access: needs("member.manage"),
    problems: [404],
    request: { params: byId },
    responses: { 200: { ...jsonReply("The invitation.", invitation), ...withEtag } },
  }),
  revokeInvitation: defineRoute({
    method: "delete",
    path: "/api/v1/invitations/{id}",
    operationId: "revokeInvitation",
    summary: "Revoke an invitation",
    description: "One that was accepted stays: 409.",
    tags: ["members"],
    access: needs("member.manage"),
    problems: [404, 409, 412, 422],
    request: { params: byId, headers: ifMatch },
    responses: { 204: { description: "Its token opens nothing any more." } },
  }),
  acceptInvitation: defineRoute({
    method: "post",
    path: "/api/v1/invitations/accept",
    operationId: "acceptInvitation",
    summary: "Accept an invitation with a password",
    description:
      "Where the invited address has no account one is made, with this password; where it has one the password must be its own. Works also where registration is closed. Signed in already: `/invitations/join`.",
    tags: ["auth"],
    access: PUBLIC,
    problems: [400, 404, 409, 413, 422],
    request: { body: jsonBody(z.object({ token: invitationToken, password, name: personName.optional() }).openapi("InvitationAcceptance")) },
    responses: { 200: jsonReply("The account, signed in to the organization.", registration) },
  }),
  joinOrganization: defineRoute({
    method: "post",
    path: "/api/v1/invitations/join",
    operationId: "joinOrganization",
    summary: "Accept an invitation as who is signed in",
    description: "The invitation must be of one's own address.",
    tags: ["members"],
    access: needs("account.write"),
    problems: [400, 404, 413, 422],
    request: { body: jsonBody(z.object({ token: invitationToken }).openapi("InvitationToken")) },
    responses: { 200: jsonReply("The organization; refresh with its `organization_id` to act in it.", organizationMembership) },
  }),
};
