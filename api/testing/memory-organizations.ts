import { PerdureError, type TenantId, uuidv7 } from "#core";
import type { ApiKeys, Audit, Invitations, Member, Organizations, RateBuckets } from "#db";
import { type MemoryState, pageOf } from "./memory-database.ts";

function refuseStale(expected: number | undefined, stored: number): void {
  if (expected !== undefined && expected !== stored) throw new PerdureError("precondition.failed", "It was changed meanwhile.");
}

export function memoryApiKeys(state: MemoryState): ApiKeys {
  const isLive = (key: MemoryState["apiKeys"][number]) => key.revokedAt === null && (key.expiresAt === null || key.expiresAt > new Date());
  const visible = (tenant: string, createdBy?: string) =>
    state.apiKeys.filter((key) => key.tenantId === tenant && (createdBy === undefined || key.createdBy === createdBy));
  return {
    async create(tenantId, key, max) {
      if (visible(tenantId).filter(isLive).length >= max) throw new PerdureError("resource.conflict", `The organization has ${max} API keys.`);
      const stored = { ...key, tenantId, createdAt: new Date(), lastUsedAt: null, revokedAt: null, revision: 1 };
      state.apiKeys.push(stored);
      return stored;
    },
    list: async (tenant, { createdBy }, page) => pageOf(visible(tenant, createdBy).toReversed(), page),
    get: async (tenant, id, { createdBy }) => visible(tenant, createdBy).find((key) => key.id === id),
    async revoke(tenant, id, { createdBy }, expectedRevision) {
      const found = visible(tenant, createdBy).find((key) => key.id === id);
      if (found) refuseStale(expectedRevision, found.revision);
      if (found?.revokedAt === null) Object.assign(found, { revokedAt: new Date(), revision: found.revision + 1 });
      return found;
    },
    async use(keyHash) {
      const found = state.apiKeys.find((key) => key.keyHash === keyHash && isLive(key));
      if (found) found.lastUsedAt = new Date();
      return found;
    },
  };
}

export function memoryOrganizations(state: MemoryState): Organizations {
  const of = (tenant: TenantId) => state.memberships.filter((each) => each.tenantId === tenant);
  const member = (tenant: TenantId, userId: string): Member | undefined => {
    const membership = of(tenant).find((each) => each.userId === userId);
    const user = state.users.find(({ id }) => id === userId);
    return (
      membership &&
      user && { id: userId, email: user.email, name: user.name, role: membership.role, joinedAt: user.createdAt, revision: membership.revision ?? 1 }
    );
  };
  /** @returns false where they are no member. */
  const admit = (tenant: TenantId, userId: string, expectedRevision: number | undefined): boolean => {
    const present = member(tenant, userId);
    if (present) refuseStale(expectedRevision, present.revision);
    return present !== undefined;
  };
  const refuseLastAdmin = (tenant: TenantId, userId: string) => {
    const admins = of(tenant).filter(({ role }) => role === "admin");
    if (admins.length === 1 && admins[0]?.userId === userId) throw new PerdureError("resource.conflict", "This is the last admin.");
  };
  const organization = (tenant: TenantId) => {
    const name = of(tenant)[0]?.organizationName;
    return name === undefined
      ? undefined
      : { id: tenant as string, name, createdAt: new Date(0), outboundHosts: outboundHosts.get(tenant) ?? null, revision: revisions.get(tenant) ?? 1 };
  };
  const outboundHosts = new Map<TenantId, readonly string[] | null>();
  const revisions = new Map<TenantId, number>();
  return {
    get: async (tenant) => organization(tenant),
    async update(tenant, change, expectedRevision) {
      const revision = revisions.get(tenant) ?? 1;
      refuseStale(expectedRevision, revision);
      revisions.set(tenant, revision + 1);
      if (change.outboundHosts !== undefined) outboundHosts.set(tenant, change.outboundHosts);
      for (const membership of of(tenant)) membership.organizationName = change.name ?? membership.organizationName;
      return organization(tenant);
    },
    members: async (tenant, page) =>
      pageOf(
        of(tenant)
          .toReversed()
          .flatMap(({ userId }) => member(tenant, userId) ?? []),
        page,
      ),
    member: async (tenant, userId) => member(tenant, userId),
    async setRole(tenant, userId, role, expectedRevision) {
      if (!admit(tenant, userId, expectedRevision)) return undefined;
      if (role !== "admin") refuseLastAdmin(tenant, userId);
      for (const membership of of(tenant)) if (membership.userId === userId) Object.assign(membership, { role, revision: (membership.revision ?? 1) + 1 });
      return member(tenant, userId);
    },
    async removeMember(tenant, userId, expectedRevision) {
      if (!admit(tenant, userId, expectedRevision)) return false;
      refuseLastAdmin(tenant, userId);
      const at = state.memberships.findIndex((each) => each.tenantId === tenant && each.userId === userId);
      state.memberships.splice(at, 1);
      for (const key of state.apiKeys) if (key.tenantId === tenant && key.createdBy === userId) key.revokedAt ??= new Date();
      for (const session of state.sessions) {
        if (session.userId === userId && [...session.tokens.values()].some((token) => token.tenantId === tenant)) session.endReason ??= "membership";
      }
      return true;
    },
  };
}

export function memoryInvitations(state: MemoryState): Invitations {
  const isOpen = (each: MemoryState["invitations"][number]) => each.acceptedAt === null && each.revokedAt === null;
  const live = (tokenHash: string) => state.invitations.find((each) => each.tokenHash === tokenHash && isOpen(each) && each.expiresAt > new Date());
  const find = (tenant: TenantId, id: string) => state.invitations.find((each) => each.tenantId === tenant && each.id === id);
  return {
    async create(tenantId, invitation) {
      const user = state.users.find(({ email }) => email === invitation.email);
      if (state.memberships.some((each) => each.tenantId === tenantId && each.userId === user?.id)) throw new PerdureError("resource.conflict", "A member.");
      for (const each of state.invitations) if (each.tenantId === tenantId && each.email === invitation.email && isOpen(each)) each.revokedAt = new Date();
      const stored = { ...invitation, tenantId, createdAt: new Date(), acceptedAt: null, acceptedBy: null, revokedAt: null, revision: 1 };
      state.invitations.push(stored);
      return stored;
    },
    list: async (tenant, page) => pageOf(state.invitations.filter((each) => each.tenantId === tenant).toReversed(), page),
    get: async (tenant, id) => find(tenant, id),
    async renew(tenant, id, token, expectedRevision) {
      const found = find(tenant, id);
      if (!found) return undefined;
      refuseStale(expectedRevision, found.revision);
      if (!isOpen(found)) throw new PerdureError("resource.conflict", "It was accepted or revoked.");
      return Object.assign(found, token, { revision: found.revision + 1 });
    },
    async revoke(tenant, id, expectedRevision) {
      const found = find(tenant, id);
      if (!found) return false;
      refuseStale(expectedRevision, found.revision);
      if (found.acceptedAt) throw new PerdureError("resource.conflict", "It was accepted.");
      if (found.revokedAt === null) Object.assign(found, { revokedAt: new Date(), revision: found.revision + 1 });
      return true;
    },
    find: async (tokenHash) => live(tokenHash),
    async accept(tokenHash, { user, passwordHash }) {
      const invitation = live(tokenHash);
      if (!invitation) throw new PerdureError("resource.not_found", "There is no such invitation.");
      if (passwordHash !== undefined) state.users.push({ ...user, passwordHash, emailVerifiedAt: null, securityEpoch: 0 });
      Object.assign(invitation, { acceptedAt: new Date(), acceptedBy: user.id, revision: invitation.revision + 1 });
      const organizationName = state.memberships.find((each) => each.tenantId === invitation.tenantId)?.organizationName ?? "";
      const membership = { tenantId: invitation.tenantId, organizationName, role: invitation.role, userId: user.id };
      state.memberships.push(membership);
      return membership;
    },
  };
}

export function memoryRateBuckets(now: () => number = Date.now): RateBuckets {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return {
    async take(key, wanted, { burst, tokensPerSecond }) {
      const before = buckets.get(key) ?? { tokens: burst, at: now() };
      const refilled = Math.min(burst, before.tokens + ((now() - before.at) / 1000) * tokensPerSecond);
      const taken = wanted < 0 ? wanted : Math.min(wanted, Math.floor(refilled));
      const tokens = Math.min(burst, refilled - taken);
      buckets.set(key, { tokens, at: now() });
      return { tokens, taken };
    },
    sweep: async () => undefined,
  };
}

export function memoryAudit(state: MemoryState): Audit {
  return {
    async record(tenantId, event) {
      state.audit.push({ ...event, tenantId, id: uuidv7(), at: new Date() });
    },
    async forget(before, limit) {
      const old = state.audit.filter(({ at }) => at < before).slice(0, limit);
      state.audit = state.audit.filter((event) => !old.includes(event));
      return old.length;
    },
    list: async (tenant, { from, to, ...equal }, page) =>
      pageOf(
        state.audit
          .filter((event) => event.tenantId === tenant && (!from || event.at >= from) && (!to || event.at <= to))
          .filter((event) => Object.entries(equal).every(([name, value]) => event[name as keyof typeof equal] === value))
          .toReversed(),
        page,
      ),
  };
}
