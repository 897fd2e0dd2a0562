import { z } from "@hono/zod-openapi";
import { PASSWORD_MAX_LENGTH, email, password, secondFactorRequest, tokens } from "./auth.ts";
import { PUBLIC, defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { id, idParam, pageHeaders, pageQuery, timestamp } from "./values.ts";

const tags = ["auth"];
const base = "/api/v1/auth";

/** Of a token that a mail holds, or that a first step answered. */
const oneTimeToken = z.string().min(1).max(512);
const givenPassword = z.string().min(1).max(PASSWORD_MAX_LENGTH).openapi({ format: "password" });
const code = z.string().trim().min(6).max(64).openapi({ example: "123456" });
const method = z.string().openapi({ description: "`password`, `totp`, `recovery_code`, `oidc`, `invitation`, `registration`.", example: "password" });

export const session = z
  .object({
    id,
    method,
    ip: z.string().openapi({ description: "Where it was used last." }),
    user_agent: z.string(),
    created_at: timestamp,
    last_used_at: timestamp.openapi({ description: "When its tokens were last renewed." }),
    expires_at: timestamp,
    is_current: z.boolean().openapi({ description: "Whether this request belongs to it." }),
  })
  .openapi("Session");

export const login = z.object({ at: timestamp, method, result: z.enum(["succeeded", "failed"]), ip: z.string(), user_agent: z.string() }).openapi("Login");

export const secondFactor = z.object({ enabled: z.boolean(), confirmed_at: timestamp.nullable(), recovery_codes_left: z.int() }).openapi("SecondFactor");

export const secondFactorEnrolment = z
  .object({
    secret: z.string().openapi({ description: "Base32, to be typed into an authenticator. It is shown this once." }),
    otpauth_uri: z.string().openapi({ description: "The same as `otpauth://totp/…`, for a QR code." }),
  })
  .openapi("SecondFactorEnrolment");

export const recoveryCodes = z
  .object({ recovery_codes: z.array(z.string()).openapi({ description: "Each good for one sign-in. They are shown this once." }) })
  .openapi("RecoveryCodes");

export const oidcProvider = z.object({ id: z.string(), name: z.string(), start_url: z.string() }).openapi("OidcProvider");

/** RFC 7636: 43 to 128 unreserved characters, and the base64url of a SHA-256. */
const codeVerifier = z.string().regex(/^[A-Za-z0-9._~-]{43,128}$/, "must be 43 to 128 unreserved characters");
const codeChallenge = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "must be the SHA-256 of the verifier in base64url");
const signInCodeExchange = z.object({ code: oneTimeToken, code_verifier: codeVerifier });
const byProvider = z.object({ provider: z.string().regex(/^[a-z0-9-]{1,40}$/) });
const sealedAway = { 302: { description: "On to the page that is meant." } } as const;

export const identity = z
  .object({
    id,
    issuer: z.string().openapi({ description: "What the provider calls itself in its tokens.", example: "https://id.example.com" }),
    provider: oidcProvider
      .pick({ id: true, name: true })
      .nullable()
      .openapi({ description: "The provider as one can sign in with it here; null where one cannot any more.", type: ["object", "null"] }),
    email: z.string().nullable().openapi({ description: "As the provider said it when the identity was linked; null where it told of none that is verified." }),
    linked_at: timestamp,
    last_used_at: timestamp,
  })
  .openapi("Identity");

export const signInCode = z
  .object({ code: z.string().openapi({ description: "For `POST /auth/oidc/exchange`, with the verifier." }), expires_in: z.int() })
  .openapi("SignInCode");

export const signInRoutes = {
  finishLogin: defineRoute({
    method: "post",
    path: `${base}/login/second-factor`,
    operationId: "finishLogin",
    summary: "The second step of signing in",
    description: "With the code of the authenticator, or a recovery code. Five attempts; a code is good for one use.",
    tags,
    access: PUBLIC,
    problems: [400, 413, 422],
    request: { body: jsonBody(z.object({ second_factor_token: oneTimeToken, code }).openapi("SecondFactorCode")) },
    responses: { 200: jsonReply("A pair of tokens.", tokens) },
  }),
  logoutEverywhere: defineRoute({
    method: "post",
    path: `${base}/logout-everywhere`,
    operationId: "logoutEverywhere",
    summary: "End all sessions, this one included",
    description: "Refresh tokens are worth nothing at once, access tokens within ten seconds. API keys stay.",
    tags,
    access: needs("session.manage"),
    responses: { 204: { description: "Signed out everywhere." } },
  }),
  listSessions: defineRoute({
    method: "get",
    path: `${base}/sessions`,
    operationId: "listSessions",
    summary: "List one's sessions that are live",
    tags,
    access: needs("session.manage"),
    problems: [400, 422],
    request: { query: pageQuery },
    responses: { 200: { ...jsonReply("One page.", z.array(session)), headers: pageHeaders } },
  }),
  getSession: defineRoute({
    method: "get",
    path: `${base}/sessions/{id}`,
    operationId: "getSession",
    summary: "Read one",
    tags,
    access: needs("session.manage"),
    problems: [404],
    request: { params: z.object({ id: idParam }) },
    responses: { 200: jsonReply("The session.", session) },
  }),
  endSession: defineRoute({
    method: "delete",
    path: `${base}/sessions/{id}`,
    operationId: "endSession",
    summary: "End a session",
    description: "Its refresh token is worth nothing at once, its access token within ten seconds.",
    tags,
    access: needs("session.manage"),
    problems: [404],
    request: { params: z.object({ id: idParam }) },
    responses: { 204: { description: "It has ended." } },
  }),
  listLogins: defineRoute({
    method: "get",
    path: `${base}/logins`,
    operationId: "listLogins",
    summary: "List the attempts to sign in to one's account",
    tags,
    access: needs("session.manage"),
    problems: [400, 422],
    request: { query: pageQuery },
    responses: { 200: { ...jsonReply("One page, the newest first.", z.array(login)), headers: pageHeaders } },
  }),
  changePassword: defineRoute({
    method: "post",
    path: `${base}/password/change`,
    operationId: "changePassword",
    rules: "`current_password` is that of the account.",
    summary: "Change the password",
    description: "Ends all other sessions. An account without a password (signed in with a provider alone) sets one by `/auth/password/forgot`.",
    tags,
    access: needs("session.manage"),
    problems: [400, 409, 413, 422],
    request: { body: jsonBody(z.object({ current_password: givenPassword, new_password: password }).openapi("PasswordChange")) },
    responses: { 204: { description: "Changed." } },
  }),
  forgotPassword: defineRoute({
    method: "post",
    path: `${base}/password/forgot`,
    operationId: "forgotPassword",
    summary: "Have a mail sent with which a new password can be set",
    description: "The same answer whether or not there is such an account.",
    tags,
    access: PUBLIC,
    problems: [400, 413, 422],
    request: { body: jsonBody(z.object({ email }).openapi("ForgottenPassword")) },
    responses: { 202: { description: "Where there is such an account, a mail is under way." } },
  }),
  resetPassword: defineRoute({
    method: "post",
    path: `${base}/password/reset`,
    operationId: "resetPassword",
    summary: "Set a new password with the token of a mail",
    description:
      "Ends all sessions. The token is good for one use, and those that were sent before are void. The second factor stays. Of an account whose address was never verified, second factor, linked identities, API keys and open invitations go, and from the organization that was made with it the other members.",
    tags,
    access: PUBLIC,
    problems: [400, 413, 422],
    request: { body: jsonBody(z.object({ token: oneTimeToken, password }).openapi("PasswordReset")) },
    responses: { 204: { description: "Set. Sign in with it." } },
  }),
  verifyEmail: defineRoute({
    method: "post",
    path: `${base}/email/verify`,
    operationId: "verifyEmail",
    summary: "Verify an address with the token of a mail",
    tags,
    access: PUBLIC,
    problems: [400, 413, 422],
    request: { body: jsonBody(z.object({ token: oneTimeToken }).openapi("EmailVerification")) },
    responses: { 204: { description: "Verified." } },
  }),
  sendVerification: defineRoute({
    method: "post",
    path: `${base}/email/send-verification`,
    operationId: "sendVerification",
    summary: "Have the mail sent again that verifies one's address",
    tags,
    access: needs("session.manage"),
    responses: { 202: { description: "It is under way, unless the address is verified." } },
  }),
  getSecondFactor: defineRoute({
    method: "get",
    path: `${base}/second-factor`,
    operationId: "getSecondFactor",
    summary: "Whether signing in asks for a second factor",
    tags,
    access: needs("session.manage"),
    responses: { 200: jsonReply("How it stands.", secondFactor) },
  }),
  enrolSecondFactor: defineRoute({
    method: "post",
    path: `${base}/second-factor`,
    operationId: "enrolSecondFactor",
    rules: "`password` is that of the account.",
    summary: "Begin to use an authenticator (TOTP) as second factor",
    description: "Confirm it with a code; until then nothing changes. Where one is in use: 409.",
    tags,
    access: needs("session.manage"),
    problems: [400, 409, 413, 422],
    request: { body: jsonBody(z.object({ password: givenPassword }).openapi("PasswordConfirmation")) },
    responses: { 201: jsonReply("What the authenticator needs.", secondFactorEnrolment) },
  }),
  confirmSecondFactor: defineRoute({
    method: "post",
    path: `${base}/second-factor/confirm`,
    operationId: "confirmSecondFactor",
    rules: "`code` is one that the authenticator shows.",
    summary: "Turn the second factor on",
    tags,
    access: needs("session.manage"),
    problems: [400, 409, 413, 422],
    request: { body: jsonBody(z.object({ code }).openapi("SecondFactorConfirmation")) },
    responses: { 200: jsonReply("On. Keep the codes where the authenticator is not.", recoveryCodes) },
  }),
  renewRecoveryCodes: defineRoute({
    method: "post",
    path: `${base}/second-factor/recovery-codes`,
    operationId: "renewRecoveryCodes",
    rules: "`password` is that of the account.",
    summary: "Make new recovery codes in place of all there are",
    tags,
    access: needs("session.manage"),
    problems: [400, 409, 413, 422],
    request: { body: jsonBody(z.object({ password: givenPassword }).openapi("PasswordConfirmation")) },
    responses: { 200: jsonReply("The new codes.", recoveryCodes) },
  }),
  disableSecondFactor: defineRoute({
    method: "post",
    path: `${base}/second-factor/disable`,
    operationId: "disableSecondFactor",
    rules: "`password` is that of the account.",
    summary: "Turn the second factor off",
    tags,
    access: needs("session.manage"),
    problems: [400, 409, 413, 422],
    request: { body: jsonBody(z.object({ password: givenPassword }).openapi("PasswordConfirmation")) },
    responses: { 204: { description: "Off." } },
  }),
  listIdentities: defineRoute({
    method: "get",
    path: `${base}/identities`,
    operationId: "listIdentities",
    summary: "List the identities at providers that one can sign in with",
    tags,
    access: needs("session.manage"),
    problems: [400, 422],
    request: { query: pageQuery },
    responses: { 200: { ...jsonReply("One page, the newest first.", z.array(identity)), headers: pageHeaders } },
  }),
  linkIdentity: defineRoute({
    method: "post",
    path: `${base}/identities`,
    operationId: "linkIdentity",
    rules: "`password` is that of the account; `code` is good, and `code_verifier` its own.",
    summary: "Link an identity at a provider to one's account",
    description:
      "With the code that a sign-in with the provider came back with (`/auth/oidc/{provider}/start`), in place of exchanging it for tokens. Another account's identity is not linked (409), nor is any to an account without a password.",
    tags,
    access: needs("session.manage"),
    problems: [400, 409, 413, 422],
    request: {
      body: jsonBody(signInCodeExchange.extend({ password: givenPassword }).openapi("IdentityLink")),
    },
    responses: { 201: jsonReply("The identity; one that was linked before stays as it was.", identity) },
  }),
  getIdentity: defineRoute({
    method: "get",
    path: `${base}/identities/{id}`,
    operationId: "getIdentity",
    summary: "Read one",
    tags,
    access: needs("session.manage"),
    problems: [404],
    request: { params: z.object({ id: idParam }) },
    responses: { 200: jsonReply("The identity.", identity) },
  }),
  unlinkIdentity: defineRoute({
    method: "delete",
    path: `${base}/identities/{id}`,
    operationId: "unlinkIdentity",
    summary: "Unlink an identity",
    description:
      "It signs nobody in any more, until it is linked again; sessions go on. Refused (409) where the account has neither a password nor another identity of a provider that one can sign in with.",
    tags,
    access: needs("session.manage"),
    problems: [404, 409],
    request: { params: z.object({ id: idParam }) },
    responses: { 204: { description: "It is unlinked." } },
  }),
  listOidcProviders: defineRoute({
    method: "get",
    path: `${base}/oidc`,
    operationId: "listOidcProviders",
    summary: "List the providers one can sign in with",
    tags,
    access: PUBLIC,
    responses: { 200: jsonReply("All of them.", z.array(oidcProvider)) },
  }),
  startOidc: defineRoute({
    method: "get",
    path: `${base}/oidc/{provider}/start`,
    operationId: "startOidc",
    rules: "`return_to` is a page under WEB_URL or of one of CORS_ORIGINS.",
    summary: "Go and sign in with a provider",
    description:
      "For a browser. `code_challenge` is the SHA-256 (base64url) of a verifier that the caller keeps for `/auth/oidc/exchange`, so that nobody can have another one finish their sign-in. `return_to` is a page under `WEB_URL` or of one of `CORS_ORIGINS`; it gets `#code=…` or `#error=…`. Without it the answer is JSON.",
    tags,
    access: PUBLIC,
    problems: [400, 404, 422],
    request: { params: byProvider, query: z.object({ code_challenge: codeChallenge, return_to: z.string().max(1_000).optional() }) },
    responses: sealedAway,
  }),
  finishOidc: defineRoute({
    method: "get",
    path: `${base}/oidc/{provider}/callback`,
    operationId: "finishOidc",
    summary: "Where a provider sends the browser back to",
    tags,
    access: PUBLIC,
    problems: [400, 404, 422],
    request: { params: byProvider, query: z.looseObject({}) },
    responses: { 200: jsonReply("Exchange it for tokens.", signInCode), ...sealedAway },
  }),
  exchangeOidc: defineRoute({
    method: "post",
    path: `${base}/oidc/exchange`,
    operationId: "exchangeOidc",
    summary: "Exchange the code of a sign-in with a provider for tokens",
    description:
      "Who signs in for the first time gets an account, or that of the same address where the provider and we have both verified it; an account whose address is not verified is not linked (409).",
    tags,
    access: PUBLIC,
    problems: [400, 409, 413, 422],
    request: { body: jsonBody(signInCodeExchange.openapi("SignInCodeExchange")) },
    responses: { 200: jsonReply("A pair of tokens.", tokens), 202: jsonReply("A second step is needed.", secondFactorRequest) },
  }),
};
