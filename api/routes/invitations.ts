import type { INVITATION_STATUSES } from "#contract/organizations.ts";
import { PerdureError, uuidv7 } from "#core";
import type { Invitation } from "#db";
import { etagOf, expectedRevision } from "../etag.ts";
import type { Handlers } from "../mount.ts";
import { pageHeadersOf, toPage } from "../paging.ts";
import { notFound } from "../problem.ts";
import type { Principal } from "../security/principal.ts";
import { accountJson, createSessions, membershipJson } from "../security/sessions.ts";
import { hashToken, newOpaqueToken } from "../security/tokens.ts";
import type { Services } from "../services.ts";
import type { AccountTools } from "./auth.ts";

type InvitationRoute =
  | "listInvitations"
  | "createInvitation"
  | "sendInvitation"
  | "getInvitation"
  | "revokeInvitation"
  | "acceptInvitation"
  | "joinOrganization";

const DAY_MS = 86_400_000;

export function invitationHandlers(services: Services, { limits, mails }: AccountTools): Handlers<InvitationRoute> {
  const { passwords, settings } = services;
  const { accounts, invitations, organizations, secondFactors } = services.db;
  const { open, noteLogin } = createSessions(services);

  async function openOne(tokenHash: string) {
    const invitation = await invitations.find(tokenHash);
    if (!invitation) throw notFound("invitation");
    return invitation;
  }

  const newToken = () => {
    const token = newOpaqueToken();
    return { token, stored: { tokenHash: hashToken(token), expiresAt: new Date(Date.now() + settings.INVITATION_EXPIRE_DAYS * DAY_MS) } };
  };

  /** Whether a mail was sent. What keeps it from that leaves the invitation as it is. */
  async function send(invitation: Invitation, token: string, { tenantId, userId }: Principal): Promise<boolean> {
    const [organization, by] = await Promise.all([organizations.get(tenantId), accounts.find(userId)]);
    if (!organization || !by) return false;
    return mails.invite(invitation, { token, organization: organization.name, by: `${by.name} (${by.email})` });
  }

  return {
    async listInvitations({ query, principal, c }) {
      const page = await invitations.list(principal.tenantId, toPage(query));
      return { status: 200, body: page.rows.map(invitationJson), headers: pageHeadersOf(c, page) };
    },

    async createInvitation({ body, principal }) {
      const { token, stored } = newToken();
      const created = await invitations.create(principal.tenantId, {
        id: uuidv7(),
        email: body.email,
        role: body.role,
        invitedBy: principal.userId,
        ...stored,
      });
      const mayBeSent = await limits.invitations.take(principal.tenantId, hashToken(body.email)).then(
        () => true,
        (error: unknown) => {
          if (error instanceof PerdureError && error.code === "rate.limited") return false;
          throw error;
        },
      );
      const mail_sent = mayBeSent && (await send(created, token, principal));
      return { status: 201, body: { ...invitationJson(created), token, mail_sent }, headers: { etag: etagOf(created) } };
    },

    async sendInvitation({ params, headers, principal }) {
      const { tenantId } = principal;
      const found = await invitations.get(tenantId, params.id);
      if (!found) throw notFound("invitation");
      await limits.invitations.take(tenantId, hashToken(found.email));
      const { token, stored } = newToken();
      const renewed = await invitations.renew(tenantId, params.id, stored, expectedRevision(headers["if-match"]));
      if (!renewed) throw notFound("invitation");
      const mail_sent = await send(renewed, token, principal);
      return { status: 200, body: { ...invitationJson(renewed), token, mail_sent }, headers: { etag: etagOf(renewed) } };
    },

    async getInvitation({ params, principal }) {
      const found = await invitations.get(principal.tenantId, params.id);
      if (!found) throw notFound("invitation");
      return { status: 200, body: invitationJson(found), headers: { etag: etagOf(found) } };
    },

    async revokeInvitation({ params, headers, principal }) {
      if (!(await invitations.revoke(principal.tenantId, params.id, expectedRevision(headers["if-match"])))) throw notFound("invitation");
      return { status: 204, body: undefined };
    },

    async acceptInvitation({ body, c }) {
      const tokenHash = hashToken(body.token);
      const { email } = await openOne(tokenHash);
      const accountHash = hashToken(email);
      await limits.take(accountHash);
      const known = await accounts.findByEmail(email);
      if (known && !(await passwords.verify(body.password, known.passwordHash ?? undefined))) {
        c.set("refusedAccount", known.id);
        await noteLogin(known, "invitation", false, c);
        throw new PerdureError("auth.invalid", "The password is not that of the account of this address.");
      }
      await limits.giveBack(accountHash);
      if (known && (await secondFactors.find(known.id))?.confirmedAt) {
        throw new PerdureError("auth.forbidden", "This account has a second factor: sign in, then accept with /invitations/join.");
      }
      const user = known ?? {
        id: uuidv7(),
        email,
        name: body.name ?? email.slice(0, email.indexOf("@")),
        createdAt: new Date(),
        emailVerifiedAt: null,
        securityEpoch: 0,
      };
      const { id, name, createdAt } = user;
      const membership = await invitations.accept(tokenHash, {
        user: { id, email: user.email, name, createdAt },
        ...(!known && { passwordHash: await passwords.hash(body.password) }),
      });
      c.set("auditActor", { tenantId: membership.tenantId, userId: id, role: membership.role });
      if (!known) mails.verifyEmail(user);
      return { status: 200, body: { ...accountJson(user, membership), ...(await open(user, membership, "invitation", c)) } };
    },

    async joinOrganization({ body, principal, c }) {
      const tokenHash = hashToken(body.token);
      const [{ email }, user] = await Promise.all([openOne(tokenHash), accounts.find(principal.userId)]);
      // The same answer as for a token that nobody has: who finds one learns nothing by it.
      if (!user || user.email.toLowerCase() !== email.toLowerCase()) throw notFound("invitation");
      const membership = await invitations.accept(tokenHash, { user });
      c.set("auditActor", { tenantId: membership.tenantId, userId: user.id, role: membership.role });
      return { status: 200, body: membershipJson(membership) };
    },
  };
}

function statusOf({ acceptedAt, revokedAt, expiresAt }: Invitation): (typeof INVITATION_STATUSES)[number] {
  if (acceptedAt) return "accepted";
  if (revokedAt) return "revoked";
  return expiresAt.getTime() <= Date.now() ? "expired" : "open";
}

function invitationJson(invitation: Invitation) {
  return {
    id: invitation.id,
    email: invitation.email,
    role: invitation.role,
    status: statusOf(invitation),
    invited_by: invitation.invitedBy,
    created_at: invitation.createdAt.toISOString(),
    expires_at: invitation.expiresAt.toISOString(),
    accepted_at: invitation.acceptedAt?.toISOString() ?? null,
    accepted_by: invitation.acceptedBy,
    revoked_at: invitation.revokedAt?.toISOString() ?? null,
  };
}
