import { PerdureError, type TenantId, uuidv7 } from "#core";
import type { ApiKeys, Audit, Invitations, Member, Organizations, RateBuckets } from "#db";
import { type MemoryState, pageOf } from "./memory-database.ts";

export function memoryApiKeys(state: MemoryState): ApiKeys {
  const isLive = (key: MemoryState["apiKeys"][number]) => key.revokedAt === null && (key.expiresAt === null || key.expiresAt > new Date());
  const visible = (tenant: string, createdBy?: string) =>
    state.apiKeys.filter((key) => key.tenantId === tenant && (createdBy === undefined || key.createdBy === createdBy));
  return {
    async create(tenantId, key) {
      const stored = { ...key, tenantId, createdAt: new Date(), lastUsedAt: null, revokedAt: null };
      state.apiKeys.push(stored);
      return stored;
    },
    countLive: async (tenant) => visible(tenant).filter(isLive).length,
    list: async (tenant, { createdBy }, page) => pageOf(visible(tenant, createdBy).toReversed(), page),
    get: async (tenant, id, { createdBy }) => visible(tenant, createdBy).find((key) => key.id === id),
    async revoke(tenant, id, { createdBy }) {
      const found = visible(tenant, createdBy).find((key) => key.id === id);
      if (found) found.revokedAt ??= new Date();
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
    return membership && user && { id: userId, email: user.email, name: user.name, role: membership.role, joinedAt: user.createdAt };
  };
  const refuseLastAdmin = (tenant: TenantId, userId: string) => {
    const admins = of(tenant).filter(({ role }) => role === "admin");
    if (admins.length === 1 && admins[0]?.userId === userId) throw new PerdureError("resource.conflict", "This is the last admin.");
  };
  const organization = (tenant: TenantId) => {
    const name = of(tenant)[0]?.organizationName;
    return name === undefined ? undefined : { id: tenant as string, name, createdAt: new Date(0), outboundHosts: outboundHosts.get(tenant) ?? null };
  };
  const outboundHosts = new Map<TenantId, readonly string[] | null>();
  return {
    get: async (tenant) => organization(tenant),
    async update(tenant, change) {
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
    async setRole(tenant, userId, role) {
      if (role !== "admin") refuseLastAdmin(tenant, userId);
      for (const membership of of(tenant)) if (membership.userId === userId) membership.role = role;
      return member(tenant, userId);
    },
    async removeMember(tenant, userId) {
      refuseLastAdmin(tenant, userId);
      const at = state.memberships.findIndex((each) => each.tenantId === tenant && each.userId === userId);
      if (at < 0) return false;
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
      const stored = { ...invitation, tenantId, createdAt: new Date(), acceptedAt: null, acceptedBy: null, revokedAt: null };
      state.invitations.push(stored);
      return stored;
    },
    list: async (tenant, page) => pageOf(state.invitations.filter((each) => each.tenantId === tenant).toReversed(), page),
    get: async (tenant, id) => find(tenant, id),
    async revoke(tenant, id) {
      const found = find(tenant, id);
      if (found?.acceptedAt) throw new PerdureError("resource.conflict", "It was accepted.");
      if (found) found.revokedAt ??= new Date();
      return found !== undefined;
    },
    find: async (tokenHash) => live(tokenHash),
    async accept(tokenHash, { user, passwordHash }) {
      const invitation = live(tokenHash);
      if (!invitation) throw new PerdureError("resource.not_found", "There is no such invitation.");
      if (passwordHash !== undefined) state.users.push({ ...user, passwordHash, emailVerifiedAt: null, securityEpoch: 0 });
      Object.assign(invitation, { acceptedAt: new Date(), acceptedBy: user.id });
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
