import { PerdureError, type TenantId, tenantId } from "#core";
import { type AddressPolicy, addressPolicy } from "./addresses.ts";
import { parseAddress, readEntries } from "./entries.ts";

/** `<organization id>=<entry>`: an entry of `OUTBOUND_ALLOW` for one organization. */
const OF_ONE = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})=(.*)$/;

export interface OperatorPolicies {
  /** Whose policy an organization has: its own id, or "" where it has that of all. Connections are shared among those with the same. */
  keyOf(tenantId: string): string;
  policyOf(key: string): AddressPolicy;
}

/**
 * What the operator allows to all organizations, and to one besides.
 * @throws PerdureError `configuration.invalid` as `addressPolicy`.
 */
export function operatorPolicies(allow: readonly string[]): OperatorPolicies {
  const forAll: string[] = [];
  const forOne = new Map<string, string[]>();
  for (const text of allow) {
    const [, organization, entry = ""] = OF_ONE.exec(text.trim().toLowerCase()) ?? [];
    if (organization === undefined) forAll.push(text);
    else forOne.set(organization, [...(forOne.get(organization) ?? []), entry]);
  }
  const general = addressPolicy(forAll);
  const own = new Map([...forOne].map(([organization, entries]) => [organization, addressPolicy([...forAll, ...entries])]));
  return {
    keyOf: (tenantId) => (own.has(tenantId.toLowerCase()) ? tenantId.toLowerCase() : ""),
    policyOf: (key) => own.get(key) ?? general,
  };
}

/** The hosts that an organization lets its nodes reach; null where it lets them reach all that the operator does. */
export type HostsOf = (tenantId: string) => Promise<readonly string[] | null>;

/** As the database has them. An organization that is not there reaches nothing. */
export function hostsOfOrganizations(organizations: { get(tenant: TenantId): Promise<{ outboundHosts: readonly string[] | null } | undefined> }): HostsOf {
  return async (tenant) => {
    const found = await organizations.get(tenantId(tenant));
    return found ? found.outboundHosts : [];
  };
}

/** A list is read again after this time: so long a change may take until all processes heed it. */
const REMEMBERED_MS = 10_000;
const REMEMBERED_MAX = 10_000;

export interface HostLists {
  /** The check of one organization for all hops of one request. @throws what reading the list throws. */
  of(tenantId: string): Promise<(url: URL) => void>;
}

/** Narrows each organization to the hosts it names itself. A list opens nothing that the operator has not. */
export function createHostLists(hostsOf: HostsOf, now: () => number = Date.now): HostLists {
  const known = new Map<string, { at: number; check: Promise<(url: URL) => void> }>();
  return {
    of(tenantId) {
      const kept = known.get(tenantId);
      if (kept && now() - kept.at < REMEMBERED_MS) return kept.check;
      const check = hostsOf(tenantId).then(checkOf);
      known.delete(tenantId);
      known.set(tenantId, { at: now(), check });
      check.catch(() => known.delete(tenantId));
      const oldest = known.keys().next();
      if (known.size > REMEMBERED_MAX && !oldest.done) known.delete(oldest.value);
      return check;
    },
  };
}

function checkOf(hosts: readonly string[] | null): (url: URL) => void {
  if (hosts === null) return () => {};
  const { names, ranges } = readEntries(hosts);
  return (url) => {
    const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
    const address = parseAddress(url.hostname.replace(/^\[|\]$/g, ""));
    const isNamed = address
      ? ranges.some((each) => (each.port === undefined || each.port === port) && each.base.toNormalizedString() === address.toNormalizedString())
      : names(url.hostname, port);
    if (!isNamed) throw new PerdureError("outbound.refused", `${url.host} is not among the hosts that this organization allows (outbound_hosts).`);
  };
}

/** Entries that an organization's list cannot hold: what is neither a host, a `*.suffix` nor an address. Networks are the operator's. */
export function unreadableHosts(hosts: readonly string[]): readonly string[] {
  return hosts.filter((host) => host.includes("/") || readEntries([host]).unreadable.length > 0);
}
