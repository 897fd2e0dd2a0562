import { SignJWT } from "jose";
import { expect, test } from "vitest";
import type { TenantId } from "#core";
import { rememberTokens } from "./remembered-tokens.ts";
import { createTokens } from "./tokens.ts";

const principal = { userId: crypto.randomUUID(), tenantId: crypto.randomUUID() as TenantId, role: "viewer" as const, sessionId: crypto.randomUUID() };

function counted(accessMinutes = 30) {
  const tokens = createTokens({ secret: "a secret of at least 32 characters", accessMinutes });
  const count = { verified: 0 };
  const verify: typeof tokens.verify = (token) => {
    count.verified++;
    return tokens.verify(token);
  };
  return { tokens: { ...tokens, verify }, count };
}

test("F1: When a token is shown again within ten seconds, then it is the same caller without another look at the signature; then it is looked at again", async () => {
  const { tokens, count } = counted();
  let now = Date.now();
  const remembered = rememberTokens(tokens, () => now);
  const token = await tokens.issue(principal);
  for (let n = 0; n < 5; n++) expect(await remembered.verify(token)).toEqual(principal);
  expect(count.verified).toBe(1);
  now += 10_000;
  await remembered.verify(token);
  expect(count.verified).toBe(2);
});

test("F1: When a token is near its end, then it is not remembered beyond it; when it is refused, it is refused every time", async () => {
  const { tokens, count } = counted(1 / 60);
  let now = Date.now();
  const remembered = rememberTokens(tokens, () => now);
  const token = await tokens.issue(principal);
  await remembered.verify(token);
  now += 2_000;
  await remembered.verify(token).catch(() => undefined);
  expect(count.verified).toBe(2);
  const forged = await new SignJWT({ tenant: principal.tenantId, role: "admin" })
    .setProtectedHeader({ alg: "HS256", typ: "at+jwt" })
    .setIssuer("perdure")
    .setAudience("perdure-api")
    .setSubject(principal.userId)
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode("another secret of 32 characters!"));
  // The signature of another token on a payload that was verified.
  const mixed = [...token.split(".").slice(0, 2), forged.split(".")[2]].join(".");
  for (const bad of [forged, mixed, forged]) await expect(remembered.verify(bad)).rejects.toMatchObject({ code: "auth.invalid" });
});
