import { PerdureError, type TenantId, tenantId, uuidv7 } from "#core";
import type { AccountTokens, Accounts, Identities, Identity, Membership, SecondFactors, SignInUser, UserSession, UserSessions } from "#db";
import { type MemoryState, pageOf } from "./memory-database.ts";

export interface MemorySession extends UserSession {
  userId: string;
  generation: number;
  generationAt: Date;
  endReason: string | null;
  tokens: Map<string, { generation: number; tenantId: TenantId; expiresAt: Date }>;
}

export interface MemoryAccountToken {
  purpose: string;
  userId: string | null;
  tokenHash: string;
  data: AccountTokenData;
  attempts: number;
  expiresAt: Date;
  isUsed: boolean;
}
type AccountTokenData = Parameters<AccountTokens["create"]>[0]["data"];

const isLive = (session: MemorySession): boolean => session.endReason === null && session.expiresAt > new Date();
const isGood = (token: MemoryAccountToken): boolean => !token.isUsed && token.expiresAt > new Date();

function endSessions(state: MemoryState, userId: string, reason: string, except?: string): void {
  for (const user of state.users) if (user.id === userId) user.securityEpoch++;
  for (const session of state.sessions) if (session.userId === userId && session.id !== except) session.endReason ??= reason;
}

function useToken(state: MemoryState, purpose: string, tokenHash: string): MemoryAccountToken | undefined {
  const token = state.accountTokens.find((each) => each.purpose === purpose && each.tokenHash === tokenHash && isGood(each));
  if (token) token.isUsed = true;
  return token;
}

export function memoryAccounts(state: MemoryState): Accounts {
  const find = (userId: string): SignInUser | undefined => state.users.find((user) => user.id === userId);
  const owned = (userId: string) => state.memberships.filter((each) => each.userId === userId);
  return {
    async register({ email, passwordHash, name, organizationName, identity }) {
      if (state.users.some((user) => user.email === email)) throw new PerdureError("resource.conflict", "This e-mail address is taken.");
      const user = { id: uuidv7(), email, name, createdAt: new Date(), emailVerifiedAt: identity ? new Date() : null };
      const membership: Membership = { tenantId: tenantId(uuidv7()), organizationName, role: "admin" };
      state.users.push({ ...user, passwordHash, securityEpoch: 0 });
      state.memberships.push({ ...membership, userId: user.id });
      if (identity) storeIdentity(state, user.id, identity);
      return { user, membership };
    },
    findByEmail: async (email) => state.users.find((user) => user.email === email),
    find: async (userId) => find(userId),
    memberships: async (userId) => owned(userId),
    async membership(userId, tenant, sessionId) {
      const session = state.sessions.find(({ id }) => id === sessionId);
      if (sessionId !== undefined && (session?.userId !== userId || session.endReason !== null)) return undefined;
      return owned(userId).find((each) => each.tenantId === tenant);
    },
    firstOrganization: async () => state.memberships[0]?.tenantId,
    async changePassword(userId, { from, to, except }) {
      const user = find(userId);
      if (user?.passwordHash !== from) return false;
      user.passwordHash = to;
      endSessions(state, userId, "password", except);
      return true;
    },
    async resetPassword(tokenHash, passwordHash) {
      const user = find(useToken(state, "reset_password", tokenHash)?.userId ?? "");
      if (!user) return undefined;
      Object.assign(user, { passwordHash, emailVerifiedAt: user.emailVerifiedAt ?? new Date() });
      endSessions(state, user.id, "password");
      return { user, removed: [] };
    },
    async verifyEmail(tokenHash) {
      const user = find(useToken(state, "verify_email", tokenHash)?.userId ?? "");
      if (user) user.emailVerifiedAt ??= new Date();
      return user;
    },
    findByIdentity: async ({ issuer, subject }) =>
      find(state.identities.find((each) => each.issuer === issuer && each.subject === subject && !each.isUnlinked)?.userId ?? ""),
    async recordLogin(login) {
      state.logins.push({ ...login, id: state.logins.length + 1, at: new Date() });
    },
    logins: async (userId, page) => pageOf(state.logins.filter((each) => each.userId === userId).toReversed(), page),
  };
}

function storeIdentity(state: MemoryState, userId: string, identity: Identity): MemoryState["identities"][number] {
  const now = new Date();
  const stored = { ...identity, id: uuidv7(), userId, createdAt: now, lastUsedAt: now, isUnlinked: false };
  state.identities.push(stored);
  return stored;
}

export function memoryIdentities(state: MemoryState): Identities {
  const mine = (userId: string) => state.identities.filter((each) => each.userId === userId && !each.isUnlinked);
  return {
    list: async (userId, page) => pageOf(mine(userId).toReversed(), page),
    get: async (userId, id) => mine(userId).find((each) => each.id === id),
    async link(userId, identity, by) {
      const present = state.identities.find(({ issuer, subject }) => issuer === identity.issuer && subject === identity.subject);
      if (!present) return storeIdentity(state, userId, identity);
      if (present.isUnlinked ? by === "address" && present.userId === userId : present.userId !== userId) {
        throw new PerdureError("resource.conflict", "Not to be had.");
      }
      return Object.assign(present, { userId, isUnlinked: false });
    },
    async unlink(userId, id, opensDoor) {
      const user = state.users.find((each) => each.id === userId);
      const found = mine(userId).find((each) => each.id === id);
      if (!user || !found) return undefined;
      if (user.passwordHash === null && !mine(userId).some((each) => each !== found && opensDoor(each.issuer))) {
        throw new PerdureError("resource.conflict", "The last way in.");
      }
      found.isUnlinked = true;
      user.securityEpoch++;
      return found;
    },
  };
}

export function memoryUserSessions(state: MemoryState): UserSessions {
  const mine = (userId: string) => state.sessions.filter((each) => each.userId === userId && isLive(each));
  return {
    async open({ tokenHash, tenantId: tenant, securityEpoch, ...session }) {
      const user = state.users.find(({ id }) => id === session.userId);
      if (user?.securityEpoch !== securityEpoch) return false;
      const now = new Date();
      const tokens = new Map([[tokenHash, { generation: 0, tenantId: tenant, expiresAt: session.expiresAt }]]);
      state.sessions.push({ ...session, createdAt: now, lastUsedAt: now, generation: 0, generationAt: now, endReason: null, tokens });
      return true;
    },
    async rotate({ tokenHash, newTokenHash, expiresAt, graceMs, switchTo }) {
      const session = state.sessions.find(({ tokens }) => tokens.has(tokenHash));
      const token = session?.tokens.get(tokenHash);
      if (!session || !token) return { outcome: "unknown" };
      if (session.endReason !== null) return { outcome: "reused" };
      if (token.expiresAt <= new Date()) return { outcome: "expired" };
      const behind = session.generation - token.generation;
      if (behind > 1 || (behind === 1 && Date.now() >= session.generationAt.getTime() + graceMs)) {
        session.endReason = "reuse";
        return { outcome: "reused" };
      }
      const tenant =
        switchTo === undefined ? token.tenantId : state.memberships.find((each) => each.userId === session.userId && each.tenantId === switchTo)?.tenantId;
      if (tenant === undefined) return { outcome: "not_a_member" };
      if (behind === 0) Object.assign(session, { generation: session.generation + 1, generationAt: new Date() });
      Object.assign(session, { expiresAt, lastUsedAt: new Date() });
      session.tokens.set(newTokenHash, { generation: session.generation, tenantId: tenant, expiresAt });
      return { outcome: "rotated", userId: session.userId, tenantId: tenant, sessionId: session.id };
    },
    async endByToken(tokenHash) {
      const session = state.sessions.find(({ tokens, endReason }) => tokens.has(tokenHash) && endReason === null);
      if (session) session.endReason = "sign_out";
      return session && { userId: session.userId };
    },
    async end(userId, id) {
      const session = mine(userId).find((each) => each.id === id);
      if (session) session.endReason = "ended";
      return session !== undefined;
    },
    async endAll(userId) {
      endSessions(state, userId, "sign_out_everywhere");
    },
    list: async (userId, page) => pageOf(mine(userId).toReversed(), page),
    get: async (userId, id) => mine(userId).find((each) => each.id === id),
  };
}

export function memoryAccountTokens(state: MemoryState): AccountTokens {
  const find = (purpose: string, tokenHash: string) =>
    state.accountTokens.find((each) => each.purpose === purpose && each.tokenHash === tokenHash && isGood(each));
  return {
    async create({ purpose, userId, tokenHash, data, expiresAt, keepOthers }) {
      if (!keepOthers) for (const each of state.accountTokens) if (userId !== null && each.userId === userId && each.purpose === purpose) each.isUsed = true;
      state.accountTokens.push({ purpose, userId, tokenHash, data, expiresAt, attempts: 0, isUsed: false });
    },
    find: async (purpose, tokenHash) => find(purpose, tokenHash),
    async attempt(purpose, tokenHash, maxAttempts) {
      const token = find(purpose, tokenHash);
      if (!token || token.attempts >= maxAttempts) return undefined;
      token.attempts++;
      return token;
    },
    use: async (purpose, tokenHash) => useToken(state, purpose, tokenHash),
  };
}

export function memorySecondFactors(state: MemoryState): SecondFactors {
  const countUp = (userId: string): void => {
    for (const user of state.users) if (user.id === userId) user.securityEpoch++;
  };
  return {
    async find(userId) {
      const factor = state.secondFactors.get(userId);
      return factor && { ...factor, recoveryCodesLeft: factor.codes.size };
    },
    async enrol(userId, sealed) {
      if (state.secondFactors.get(userId)?.confirmedAt) return false;
      state.secondFactors.set(userId, { ...sealed, confirmedAt: null, lastStep: 0, codes: new Set() });
      return true;
    },
    async confirm(userId, step, codeHashes) {
      const factor = state.secondFactors.get(userId);
      if (!factor || factor.confirmedAt || factor.lastStep >= step) return false;
      Object.assign(factor, { confirmedAt: new Date(), lastStep: step, codes: new Set(codeHashes) });
      countUp(userId);
      return true;
    },
    async useStep(userId, step) {
      const factor = state.secondFactors.get(userId);
      if (!factor?.confirmedAt || factor.lastStep >= step) return false;
      factor.lastStep = step;
      return true;
    },
    useRecoveryCode: async (userId, codeHash) => state.secondFactors.get(userId)?.codes.delete(codeHash) ?? false,
    async replaceRecoveryCodes(userId, codeHashes) {
      const factor = state.secondFactors.get(userId);
      if (!factor?.confirmedAt) return false;
      factor.codes = new Set(codeHashes);
      return true;
    },
    async remove(userId) {
      const wasOn = state.secondFactors.get(userId)?.confirmedAt != null;
      state.secondFactors.delete(userId);
      countUp(userId);
      return wasOn;
    },
  };
}
