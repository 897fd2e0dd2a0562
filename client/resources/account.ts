import type { Caller } from "../client.ts";
import { ApiError } from "../errors.ts";
import type { CallOptions, Transport } from "../transport.ts";
import type { Account, BodyOf, QueryOf } from "../types.ts";

export type AccountResource = ReturnType<typeof accountOf>;

/** The account of who is signed in, and signing in and out. */
export function accountOf({ call, list }: Caller, transport: Transport) {
  const sessionOf = () => {
    if (!transport.session) throw new TypeError("A client with a `token` of its own does not sign in or out.");
    return transport.session;
  };
  return {
    async register(account: BodyOf<"register">, options?: CallOptions): Promise<Account> {
      const { access_token, refresh_token, expires_in, token_type: _type, ...registered } = await call("register", { body: account }, options);
      await sessionOf().keep({ access_token, refresh_token, expires_in });
      return registered;
    },
    /**
     * `code` is asked for where the account has a second factor: that of the authenticator, or a recovery code.
     * @throws ApiError `auth.required` where it is asked for and there is none.
     */
    async login({ code, ...credentials }: BodyOf<"login"> & { code?: string | (() => string | Promise<string>) }, options?: CallOptions): Promise<void> {
      const session = sessionOf();
      const step = await call("login", { body: credentials }, options);
      if ("access_token" in step) return session.keep(step);
      if (code === undefined) throw new ApiError({ status: 401, code: "auth.required", message: "This account asks for the code of its second factor." });
      const body = { second_factor_token: step.second_factor_token, code: typeof code === "string" ? code : await code() };
      return session.keep(await call("finishLogin", { body }, options));
    },
    /** Revokes the tokens and forgets them, also where the server cannot be told. */
    async logout(options?: CallOptions): Promise<void> {
      const session = sessionOf();
      const token = await session.refreshToken();
      await session.end();
      if (token !== undefined) await call("logout", { body: { refresh_token: token } }, options);
    },
    /** Ends all sessions of the account, this one too. */
    async logoutEverywhere(options?: CallOptions): Promise<void> {
      await call("logoutEverywhere", {}, options);
      await transport.session?.end();
    },
    me: (options?: CallOptions) => call("me", {}, options),
    /** Acts in another organization of the account from now on. @throws ApiError 404 where it is none. */
    switchOrganization: (id: string): Promise<void> => sessionOf().switchTo(id),
    /** Where the account is signed in. */
    sessions: (query: QueryOf<"listSessions"> = {}, options?: CallOptions) => list("listSessions", { query }, options),
    endSession: (id: string, options?: CallOptions) => call("endSession", { params: { id } }, options),
    /** Attempts to sign in, the newest first. */
    logins: (query: QueryOf<"listLogins"> = {}, options?: CallOptions) => list("listLogins", { query }, options),
    changePassword: (body: BodyOf<"changePassword">, options?: CallOptions) => call("changePassword", { body }, options),
    /** A mail goes out where there is such an account; the answer is the same where there is none. */
    forgotPassword: (email: string, options?: CallOptions) => call("forgotPassword", { body: { email } }, options),
    resetPassword: (body: BodyOf<"resetPassword">, options?: CallOptions) => call("resetPassword", { body }, options),
    sendVerification: (options?: CallOptions) => call("sendVerification", {}, options),
    verifyEmail: (token: string, options?: CallOptions) => call("verifyEmail", { body: { token } }, options),
    /** Accounts of other providers with which one signs in here. */
    identities: {
      list: (query: QueryOf<"listIdentities"> = {}, options?: CallOptions) => list("listIdentities", { query }, options),
      get: (id: string, options?: CallOptions) => call("getIdentity", { params: { id } }, options),
      link: (body: BodyOf<"linkIdentity">, options?: CallOptions) => call("linkIdentity", { body }, options),
      /** @throws ApiError 409 where nothing else would be left to sign in with. */
      unlink: (id: string, options?: CallOptions) => call("unlinkIdentity", { params: { id } }, options),
    },
    secondFactor: {
      get: (options?: CallOptions) => call("getSecondFactor", {}, options),
      /** What the authenticator needs. Nothing changes until it is confirmed. */
      enrol: (password: string, options?: CallOptions) => call("enrolSecondFactor", { body: { password } }, options),
      /** Turns it on. @returns the recovery codes, which are shown once. */
      confirm: async (code: string, options?: CallOptions): Promise<string[]> =>
        (await call("confirmSecondFactor", { body: { code } }, options)).recovery_codes,
      renewRecoveryCodes: async (password: string, options?: CallOptions): Promise<string[]> =>
        (await call("renewRecoveryCodes", { body: { password } }, options)).recovery_codes,
      disable: (password: string, options?: CallOptions) => call("disableSecondFactor", { body: { password } }, options),
    },
  };
}
