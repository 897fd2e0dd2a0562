import { createHash, randomBytes } from "node:crypto";
import { isRole } from "#contract";
import { PerdureError, isUuid, tenantId } from "#core";
import { SignJWT, decodeJwt, errors, jwtVerify } from "jose";
import type { Principal } from "./principal.ts";

export interface Tokens {
  /** Seconds an access token is good for. */
  readonly expiresIn: number;
  issue(principal: Principal): Promise<string>;
  /** @throws PerdureError `auth.invalid`. */
  verify(token: string): Promise<Principal>;
}

const ISSUER = "perdure";
const AUDIENCE = "perdure-api";
/** RFC 9068: keeps tokens of another kind, signed with the same secret, from being taken for access tokens. */
const TYPE = "at+jwt";
/** Seconds two machines' clocks may differ. */
const CLOCK_TOLERANCE = 5;

/** Access tokens: JWT, HS256, with user, tenant and role. `secret` has at least 32 characters. */
export function createTokens({ secret, accessMinutes }: { secret: string; accessMinutes: number }): Tokens {
  const key = new TextEncoder().encode(secret);
  if (key.length < 32) throw new PerdureError("configuration.invalid", "JWT_SECRET_KEY must have at least 32 characters.");
  const expiresIn = Math.round(accessMinutes * 60);
  return {
    expiresIn,
    issue: (principal) =>
      new SignJWT({ tenant: principal.tenantId, role: principal.role })
        .setProtectedHeader({ alg: "HS256", typ: TYPE })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(principal.userId)
        .setIssuedAt()
        .setExpirationTime(`${expiresIn}s`)
        .setJti(crypto.randomUUID())
        .sign(key),
    async verify(token) {
      const payload = await verified(token, key);
      const { sub, tenant, role } = payload;
      if (typeof sub !== "string" || !isUuid(sub) || typeof tenant !== "string" || !isUuid(tenant) || typeof role !== "string" || !isRole(role)) {
        throw new PerdureError("auth.invalid", "The access token is not valid.");
      }
      return { userId: sub, tenantId: tenantId(tenant), role };
    },
  };
}

async function verified(token: string, key: Uint8Array): Promise<Record<string, unknown>> {
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: ["HS256"],
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: TYPE,
      requiredClaims: ["sub", "exp", "iat"],
      clockTolerance: CLOCK_TOLERANCE,
    });
    return payload;
  } catch (error) {
    const message = error instanceof errors.JWTExpired ? "The access token has expired." : "The access token is not valid.";
    throw new PerdureError("auth.invalid", message, { cause: error });
  }
}

/** When an access token that was verified ends, in milliseconds since 1970. */
export function endOf(token: string): number {
  return (decodeJwt(token).exp ?? 0) * 1_000;
}

/** An opaque refresh token, 256 random bits; only its hash is stored. */
export function newRefreshToken(): string {
  return randomBytes(32).toString("base64url");
}

/** SHA-256, hexadecimal. Enough for a random token, which no dictionary can hold. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
