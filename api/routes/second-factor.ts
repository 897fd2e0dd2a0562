import { PerdureError, tenantId } from "#core";
import type { Handlers } from "../mount.ts";
import { createOwnPassword } from "../security/own-password.ts";
import { createSecondFactor } from "../security/second-factor.ts";
import { type PendingSignIn, createSessions } from "../security/sessions.ts";
import { hashToken } from "../security/tokens.ts";
import type { Services } from "../services.ts";
import { type AccountTools, forCodec } from "./auth.ts";

type SecondFactorRoute = "finishLogin" | "getSecondFactor" | "enrolSecondFactor" | "confirmSecondFactor" | "renewRecoveryCodes" | "disableSecondFactor";

/** Codes that may be tried with one token of a first step; after them the password is asked for again. */
const ATTEMPTS_MAX = 5;

export function secondFactorHandlers(services: Services, { limits, mails }: AccountTools): Handlers<SecondFactorRoute> {
  const { settings } = services;
  const { accounts, accountTokens, secondFactors } = services.db;
  const { open, noteLogin } = createSessions(services);
  const factor = createSecondFactor({ rows: secondFactors, payloads: services.payloads, issuer: settings.SECOND_FACTOR_ISSUER });
  const confirmPassword = createOwnPassword(services, limits);

  const wrongCode = () =>
    new PerdureError("validation.failed", "The code is wrong, or was used.", { findings: [{ code: "validation.code", message: "is wrong", path: "code" }] });
  const inUse = () => new PerdureError("resource.conflict", "A second factor is in use: turn it off first.");
  const notInUse = () => new PerdureError("resource.conflict", "No second factor is in use.");

  return {
    async finishLogin({ body, c }) {
      const tokenHash = hashToken(body.second_factor_token);
      const pending = await accountTokens.attempt("second_factor", tokenHash, ATTEMPTS_MAX);
      const user = pending?.userId && (await accounts.find(pending.userId));
      if (user) c.set("refusedAccount", user.id);
      if (!pending || !user) throw new PerdureError("auth.invalid", "This sign-in has expired, or had too many attempts. Begin it again.");
      await limits.secondFactor.take(user.id);
      const { tenant_id, security_epoch } = pending.data as PendingSignIn;
      const method = await factor.use(user.id, body.code);
      if (method === undefined) {
        await noteLogin(user, "totp", false, c);
        throw new PerdureError("auth.invalid", "The code is wrong, or was used.");
      }
      await limits.secondFactor.giveBack(user.id);
      if (!(await accountTokens.use("second_factor", tokenHash))) throw new PerdureError("auth.invalid", "This sign-in was finished already.");
      const membership = await accounts.membership(user.id, tenantId(tenant_id));
      if (!membership) throw new PerdureError("auth.forbidden", "This account does not belong to the organization any more.");
      const tokens = await open({ ...user, securityEpoch: security_epoch }, membership, method, c);
      if (method === "recovery_code") mails.changed(user, "Somebody signed in to your account with one of its recovery codes.");
      return { status: 200, body: tokens, headers: forCodec(tokens, settings) };
    },

    async getSecondFactor({ principal }) {
      const found = await secondFactors.find(principal.userId);
      const confirmedAt = found?.confirmedAt ?? null;
      return {
        status: 200,
        body: {
          enabled: confirmedAt !== null,
          confirmed_at: confirmedAt?.toISOString() ?? null,
          recovery_codes_left: confirmedAt === null ? 0 : (found?.recoveryCodesLeft ?? 0),
        },
      };
    },

    async enrolSecondFactor({ body, principal }) {
      const user = await confirmPassword(principal.userId, body.password, "password");
      const enrolled = await factor.enrol(user);
      if (!enrolled) throw inUse();
      return { status: 201, body: { secret: enrolled.secret, otpauth_uri: enrolled.uri } };
    },

    async confirmSecondFactor({ body, principal }) {
      const [user, found] = await Promise.all([accounts.find(principal.userId), secondFactors.find(principal.userId)]);
      if (!user || !found) throw notInUse();
      if (found.confirmedAt) throw inUse();
      await limits.secondFactor.take(user.id);
      const codes = await factor.confirm(user.id, body.code);
      if (!codes) throw wrongCode();
      await limits.secondFactor.giveBack(user.id);
      mails.changed(user, "Signing in to your account now asks for a second factor.");
      return { status: 200, body: { recovery_codes: codes } };
    },

    async renewRecoveryCodes({ body, principal }) {
      const user = await confirmPassword(principal.userId, body.password, "password");
      const codes = await factor.renewRecoveryCodes(user.id);
      if (!codes) throw notInUse();
      mails.changed(user, "New recovery codes of your account were made; the old ones are good for nothing.");
      return { status: 200, body: { recovery_codes: codes } };
    },

    async disableSecondFactor({ body, principal }) {
      const user = await confirmPassword(principal.userId, body.password, "password");
      if (!(await secondFactors.remove(user.id))) throw notInUse();
      mails.changed(user, "Signing in to your account no longer asks for a second factor.");
      return { status: 204, body: undefined };
    },
  };
}
