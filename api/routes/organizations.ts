import { PerdureError } from "#core";
import type { Member, Organization } from "#db";
import type { Handlers } from "../mount.ts";
import { pageHeadersOf, toPage } from "../paging.ts";
import { notFound } from "../problem.ts";
import { membershipJson } from "../security/sessions.ts";
import type { Services } from "../services.ts";

export function organizationHandlers({
  db: { accounts, organizations, erasures },
}: Services): Handlers<"listOrganizations" | "getOrganization" | "updateOrganization" | "eraseOrganization"> {
  const reply = (organization: Organization | undefined) => {
    if (!organization) throw notFound("organization");
    const { id, name, createdAt } = organization;
    return { status: 200 as const, body: { id, name, created_at: createdAt.toISOString() } };
  };

  return {
    async listOrganizations({ principal }) {
      const memberships = await accounts.memberships(principal.userId);
      // A key belongs to one organization and learns of no other.
      const shown = principal.apiKey ? memberships.filter(({ tenantId }) => tenantId === principal.tenantId) : memberships;
      return { status: 200, body: shown.map(membershipJson) };
    },

    getOrganization: async ({ principal }) => reply(await organizations.get(principal.tenantId)),
    async eraseOrganization({ query, principal }) {
      const { body } = reply(await organizations.get(principal.tenantId));
      if (query.confirm !== body.name) throw new PerdureError("validation.failed", "Confirm with the organization's name, as it is written.");
      await erasures.request(principal.tenantId, principal.userId);
      return { status: 202, body };
    },
    updateOrganization: async ({ body, principal }) => reply(await organizations.rename(principal.tenantId, body.name)),
  };
}

export function memberHandlers({ db: { organizations } }: Services): Handlers<"listMembers" | "getMember" | "updateMember" | "removeMember"> {
  const reply = (member: Member | undefined) => {
    if (!member) throw notFound("member");
    return { status: 200 as const, body: memberJson(member) };
  };

  return {
    async listMembers({ query, principal, c }) {
      const page = await organizations.members(principal.tenantId, toPage(query));
      return { status: 200, body: page.rows.map(memberJson), headers: pageHeadersOf(c, page) };
    },

    getMember: async ({ params, principal }) => reply(await organizations.member(principal.tenantId, params.id)),
    updateMember: async ({ params, body, principal }) => reply(await organizations.setRole(principal.tenantId, params.id, body.role)),

    async removeMember({ params, principal }) {
      if (!(await organizations.removeMember(principal.tenantId, params.id))) throw notFound("member");
      return { status: 204, body: undefined };
    },
  };
}

function memberJson({ id, email, name, role, joinedAt }: Member) {
  return { id, email, name, role, joined_at: joinedAt.toISOString() };
}
