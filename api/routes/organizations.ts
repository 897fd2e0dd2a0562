import { type Finding, PerdureError } from "#core";
import type { Member, Organization } from "#db";
import { unreadableHosts } from "#integrations/http";
import { etagOf, expectedRevision } from "../etag.ts";
import type { Handlers } from "../mount.ts";
import { pageHeadersOf, toPage } from "../paging.ts";
import { notFound } from "../problem.ts";
import { membershipJson } from "../security/sessions.ts";
import type { Services } from "../services.ts";

export function organizationHandlers({
  db: { accounts, organizations, erasures },
  settings,
}: Services): Handlers<"listOrganizations" | "getOrganization" | "updateOrganization" | "eraseOrganization"> {
  const reply = (organization: Organization | undefined) => {
    if (!organization) throw notFound("organization");
    const { id, name, outboundHosts, createdAt } = organization;
    const body = { id, name, outbound_hosts: outboundHosts && [...outboundHosts], created_at: createdAt.toISOString() };
    return { status: 200 as const, body, headers: { etag: etagOf(organization) } };
  };

  function refuseHosts(hosts: readonly string[]): void {
    const unreadable = new Set(unreadableHosts(hosts));
    const findings: Finding[] = hosts.flatMap((host, index) =>
      unreadable.has(host) ? [{ code: "validation.host", message: "is no host, *.suffix or address", path: `outbound_hosts.${index}` }] : [],
    );
    if (hosts.length > settings.OUTBOUND_HOSTS_MAX) {
      findings.push({ code: "validation.too_big", message: `holds more than ${settings.OUTBOUND_HOSTS_MAX} hosts`, path: "outbound_hosts" });
    }
    if (findings.length > 0) throw new PerdureError("validation.failed", "The request is not valid.", { findings });
  }

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

    async updateOrganization({ body: { name, outbound_hosts }, headers, principal }) {
      if (outbound_hosts) refuseHosts(outbound_hosts);
      const change = {
        ...(name !== undefined && { name }),
        ...(outbound_hosts !== undefined && { outboundHosts: outbound_hosts && [...new Set(outbound_hosts)] }),
      };
      return reply(await organizations.update(principal.tenantId, change, expectedRevision(headers["if-match"])));
    },
  };
}

export function memberHandlers({ db: { organizations } }: Services): Handlers<"listMembers" | "getMember" | "updateMember" | "removeMember"> {
  const reply = (member: Member | undefined) => {
    if (!member) throw notFound("member");
    return { status: 200 as const, body: memberJson(member), headers: { etag: etagOf(member) } };
  };

  return {
    async listMembers({ query, principal, c }) {
      const page = await organizations.members(principal.tenantId, toPage(query));
      return { status: 200, body: page.rows.map(memberJson), headers: pageHeadersOf(c, page) };
    },

    getMember: async ({ params, principal }) => reply(await organizations.member(principal.tenantId, params.id)),
    updateMember: async ({ params, body, headers, principal }) =>
      reply(await organizations.setRole(principal.tenantId, params.id, body.role, expectedRevision(headers["if-match"]))),

    async removeMember({ params, headers, principal }) {
      if (!(await organizations.removeMember(principal.tenantId, params.id, expectedRevision(headers["if-match"])))) throw notFound("member");
      return { status: 204, body: undefined };
    },
  };
}

function memberJson({ id, email, name, role, joinedAt }: Member) {
  return { id, email, name, role, joined_at: joinedAt.toISOString() };
}
