import { z } from "@hono/zod-openapi";
import { ROLES } from "./permissions.ts";
import { PUBLIC, defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { id, idParam, timestamp, trimmedText } from "./values.ts";

const tags = ["auth"];

/** In characters, before hashing. The upper limit keeps a request from hashing megabytes. */
export const PASSWORD_MIN_LENGTH = 8;
export const PASSWORD_MAX_LENGTH = 256;

/** What browsers take for an address, without dots that stand at an end or in a row (RFC 5321). */
const EMAIL = new RegExp(`^(?!\\.)(?!.*\\.\\.)(?!.*\\.@)${z.regexes.html5Email.source.slice(1)}`);

export const email = z
  .string()
  .trim()
  .toLowerCase()
  .max(254)
  .pipe(z.email({ pattern: EMAIL }))
  .openapi({ type: "string", format: "email", example: "user@example.com" });
export const password = z.string().min(PASSWORD_MIN_LENGTH).max(PASSWORD_MAX_LENGTH).openapi({ format: "password", example: "secure_password" });
export const personName = trimmedText(200);

export const tokens = z
  .object({
    access_token: z.string(),
    refresh_token: z.string(),
    token_type: z.literal("bearer"),
    expires_in: z.int().openapi({ description: "Seconds until the access token expires.", example: 1800 }),
  })
  .openapi("Tokens");

export const secondFactorRequest = z
  .object({
    second_factor_token: z.string().openapi({ description: "For `POST /auth/login/second-factor`. It opens nothing else." }),
    methods: z.array(z.string()).openapi({ example: ["totp", "recovery_code"] }),
    expires_in: z.int().openapi({ description: "Seconds.", example: 300 }),
  })
  .openapi("SecondFactorRequest");

export const organizationMembership = z.object({ id, name: z.string(), role: z.enum(ROLES) }).openapi("OrganizationMembership");

export const account = z
  .object({
    id,
    email: z.string(),
    email_verified: z.boolean(),
    name: z.string(),
    role: z.enum(ROLES),
    organization: organizationMembership,
    created_at: timestamp,
  })
  .openapi("Account");

export const registration = account.extend(tokens.shape).openapi("Registration");

const organizationId = idParam.nullish().openapi({
  type: ["string", "null"],
  description: "The organization to act in, where one belongs to several. Left out: the first at login, the same at refresh.",
});
const refreshToken = z.string().min(1).max(512);

export const authRoutes = {
  register: defineRoute({
    method: "post",
    path: "/api/v1/auth/register",
    operationId: "register",
    summary: "Make an account with an organization of its own",
    tags,
    access: PUBLIC,
    problems: [400, 409, 413, 422],
    request: {
      body: jsonBody(
        z
          .object({
            email,
            password,
            name: personName.optional(),
            full_name: personName.optional(),
            username: personName.optional(),
            organization: personName.optional(),
          })
          .openapi("RegistrationRequest", {
            example: { email: "ada@example.com", password: "secure_password", name: "Ada Lovelace", organization: "Analytical Engines" },
          }),
      ),
    },
    responses: { 201: jsonReply("The account, signed in.", registration) },
  }),
  login: defineRoute({
    method: "post",
    path: "/api/v1/auth/login",
    operationId: "login",
    summary: "Sign in",
    tags,
    access: PUBLIC,
    problems: [400, 404, 413, 422],
    request: {
      body: jsonBody(
        z
          .object({
            email: z.string().trim().toLowerCase().min(1).max(254).openapi({ pattern: "[^\\s\\ufeff]", example: "user@example.com" }),
            password: z.string().min(1).max(PASSWORD_MAX_LENGTH),
            organization_id: organizationId,
          })
          .openapi("Credentials", { example: { email: "ada@example.com", password: "secure_password" } }),
      ),
    },
    responses: {
      200: jsonReply("A pair of tokens.", tokens),
      202: jsonReply("The password is right, and the account has a second factor: a second step is needed.", secondFactorRequest),
    },
  }),
  refresh: defineRoute({
    method: "post",
    path: "/api/v1/auth/refresh",
    operationId: "refresh",
    rules: "`refresh_token` is in the body or in the query.",
    summary: "Exchange a refresh token for a new pair",
    description:
      "A refresh token is good for one use. For some seconds more (`JWT_REFRESH_GRACE_MS`) it gives another pair, for an answer that was lost and calls that race. After that, or once the pair has been renewed in turn, it has been copied: the session ends.",
    tags,
    access: PUBLIC,
    problems: [400, 404, 413, 422],
    request: {
      query: z.object({ refresh_token: refreshToken.optional() }),
      body: jsonBody(z.object({ refresh_token: refreshToken.optional(), organization_id: organizationId }), false),
    },
    responses: { 200: jsonReply("A new pair of tokens.", tokens) },
  }),
  logout: defineRoute({
    method: "post",
    path: "/api/v1/auth/logout",
    operationId: "logout",
    summary: "End the session of a refresh token",
    tags,
    access: PUBLIC,
    problems: [400, 413, 422],
    request: { body: jsonBody(z.object({ refresh_token: refreshToken })) },
    responses: { 204: { description: "Signed out. The same answer for a token that is not known." } },
  }),
  me: defineRoute({
    method: "get",
    path: "/api/v1/auth/me",
    operationId: "me",
    summary: "Who is signed in",
    tags,
    access: needs("account.read"),
    responses: { 200: jsonReply("The account.", account) },
  }),
};
