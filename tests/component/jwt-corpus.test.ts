import { createHmac, createSign, generateKeyPairSync, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PerdureError, uuidv7 } from "#core";
import { type AccountsApp, JWT_SECRET, startAccounts } from "#tests/accounts.ts";

const PREVIOUS = randomBytes(32).toString("hex");
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PEM = publicKey.export({ type: "spki", format: "pem" }) as string;
const attackersKey = { kty: "oct", k: Buffer.from("attacker's").toString("base64url") };

let api: AccountsApp;
let own: Awaited<ReturnType<AccountsApp["signUp"]>>;
/** Of a token that is good. */
let claims: Record<string, unknown>;
let others: Record<string, string>;

beforeAll(async () => {
  api = await startAccounts({ RATE_LIMIT_SIGN_IN_FAILURES: "off", JWT_PREVIOUS_SECRET_KEYS: PREVIOUS });
  own = await api.signUp();
  claims = JSON.parse(Buffer.from(own.token.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;
  others = await otherTokens();
});

afterAll(() => api?.close());

const encode = (value: unknown): string => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const HEADER = { alg: "HS256", typ: "at+jwt" };
const now = (): number => Math.floor(Date.now() / 1000);

/** Signed as ours are, or as a case needs it: `undefined` leaves a claim out. */
function forge({
  header = {},
  payload = {},
  key = JWT_SECRET,
  hash = "sha256",
}: { header?: object; payload?: object; key?: string | Buffer; hash?: string } = {}) {
  const input = `${encode({ ...HEADER, ...header })}.${encode({ ...claims, ...payload })}`;
  return `${input}.${createHmac(hash, key).update(input).digest("base64url")}`;
}

function forgeParts(header: string, payload: string): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${createHmac("sha256", JWT_SECRET).update(input).digest("base64url")}`;
}

function unsigned(alg: unknown, signature = ""): string {
  return `${encode({ ...HEADER, alg })}.${encode(claims)}.${signature}`;
}

function withRsa(header: object): string {
  const input = `${encode({ ...HEADER, alg: "RS256", ...header })}.${encode(claims)}`;
  return `${input}.${createSign("sha256").update(input).sign(privateKey).toString("base64url")}`;
}

const good = (): [string, string, string] => own.token.split(".") as [string, string, string];

/** What is a token of ours, and no access token that is good. */
async function otherTokens(): Promise<Record<string, string>> {
  const [stranger, removed, signedOut, secured] = [await api.signUp(), await api.signUp(), await api.signUp(), await api.signUp()];
  const member = await api.db.accounts.memberships(own.userId);
  const home = member[0]?.tenantId ?? "";
  const { body: invitation } = await api.call<{ token: string }>("POST", "/invitations", { token: own.token, body: { email: removed.email, role: "viewer" } });
  await api.call("POST", "/invitations/join", { token: removed.token, body: { token: invitation.token } });
  const there = await api.call<Record<string, string>>("POST", "/auth/refresh", { body: { refresh_token: removed.refreshToken, organization_id: home } });
  await api.call("DELETE", `/members/${removed.userId}`, { token: own.token });
  await api.call("POST", "/auth/logout-everywhere", { token: signedOut.token });
  const { Secret, TOTP } = await import("otpauth");
  const { body: factor } = await api.call<{ secret: string }>("POST", "/auth/second-factor", { token: secured.token, body: { password: secured.password } });
  await api.call("POST", "/auth/second-factor/confirm", {
    token: secured.token,
    body: { code: new TOTP({ secret: Secret.fromBase32(factor.secret) }).generate() },
  });
  const { body: pending } = await api.signIn(secured.email, secured.password);
  const { body: another } = await api.call<{ token: string }>("POST", "/invitations", { token: own.token, body: { email: "x@example.com", role: "viewer" } });
  return {
    strangersSession: (JSON.parse(Buffer.from(stranger.token.split(".")[1] ?? "", "base64url").toString()) as { sid: string }).sid,
    strangersTenant: String((await api.db.accounts.memberships(stranger.userId))[0]?.tenantId),
    removed: there.body["access_token"] as string,
    signedOut: signedOut.token,
    pending: pending["second_factor_token"] as string,
    refresh: own.refreshToken,
    invitation: another.token,
  };
}

const CASES: readonly (readonly [string, () => string])[] = [
  ...["none", "None", "NONE", "nOnE", " none", "none ", "", null, undefined, 0, ["none"], ["HS256"], { alg: "HS256" }].flatMap((alg) => [
    [`alg ${JSON.stringify(alg)} and no signature`, () => unsigned(alg)] as const,
    [`alg ${JSON.stringify(alg)} and the signature of a good one`, () => unsigned(alg, good()[2])] as const,
    [`alg ${JSON.stringify(alg)}, signed all the same`, () => forge({ header: { alg } })] as const,
  ]),
  ["no third part", () => unsigned("none").slice(0, -1)],
  ["alg hs256", () => forge({ header: { alg: "hs256" } })],
  ["HS384 with our secret", () => forge({ header: { alg: "HS384" }, hash: "sha384" })],
  ["HS512 with our secret", () => forge({ header: { alg: "HS512" }, hash: "sha512" })],
  ["says HS256 and is HS512", () => forge({ hash: "sha512" })],
  ...["RS256", "PS256", "ES256", "EdDSA", "dir", "A256KW", "HS1"].map(
    (alg) => [`says ${alg} and is HMAC with our secret`, () => forge({ header: { alg } })] as const,
  ),
  ["RS256 with an attacker's key", () => withRsa({})],
  ["RS256 with an attacker's key that it brings along (jwk)", () => withRsa({ jwk: publicKey.export({ format: "jwk" }) })],
  ["RS256 with a key that it names (jku)", () => withRsa({ jku: "http://127.0.0.1:9/keys", kid: "1" })],
  ["RS256 with certificates (x5c, x5u)", () => withRsa({ x5c: ["MIIB"], x5u: "http://127.0.0.1:9/" })],
  ["HMAC with a public key as secret (RS/HS confusion)", () => forge({ key: PEM })],
  ["ES256 with an empty signature of zeros", () => unsigned("ES256", Buffer.alloc(64).toString("base64url"))],
  ["HS256 with a signature of zeros", () => unsigned("HS256", Buffer.alloc(32).toString("base64url"))],
  ...["", "secret", "a secret of at least 32 characters", "null", "undefined", "\0".repeat(32)].map(
    (key) => [`the secret ${JSON.stringify(key)}`, () => forge({ key })] as const,
  ),
  ["our secret as bytes of its hexadecimal", () => forge({ key: Buffer.from(JWT_SECRET, "hex") })],
  ["a secret that once signed and is no longer listed", () => forge({ key: randomBytes(32).toString("hex") })],
  ["kid of a file that is empty", () => forge({ header: { kid: "../../../../dev/null" }, key: "" })],
  ["kid with SQL", () => forge({ header: { kid: "x' union select 'secret' --" }, key: "secret" })],
  ["kid with a command", () => forge({ header: { kid: "|whoami" }, key: "secret" })],
  ["kid of an address", () => forge({ header: { kid: "http://127.0.0.1:9/key" }, key: "secret" })],
  ["its own symmetric key (jwk)", () => forge({ header: { jwk: attackersKey }, key: "attacker's" })],
  ["crit of something unknown", () => forge({ header: { crit: ["exp2"], exp2: 1 } })],
  ["crit that is empty", () => forge({ header: { crit: [] } })],
  ["an unencoded payload (b64)", () => forge({ header: { b64: false, crit: ["b64"] } })],
  ...["JWT", "jwt", "rt+jwt", "refresh", "", null, undefined, ["at+jwt"]].map(
    (typ) => [`typ ${JSON.stringify(typ)}`, () => forge({ header: { typ } })] as const,
  ),
  ["expired a minute ago", () => forge({ payload: { iat: now() - 120, exp: now() - 60 } })],
  ["no expiry", () => forge({ payload: { exp: undefined } })],
  ...["9999999999", null, [9_999_999_999], -1, 0, {}].map((exp) => [`exp ${JSON.stringify(exp)}`, () => forge({ payload: { exp } })] as const),
  ["not yet valid", () => forge({ payload: { nbf: now() + 600 } })],
  ["nbf that is no number", () => forge({ payload: { nbf: "0" } })],
  ["issued in an hour", () => forge({ payload: { iat: now() + 3_600, exp: now() + 7_200 } })],
  ["issued yesterday, good for years", () => forge({ payload: { iat: now() - 86_400, exp: now() + 86_400_000 } })],
  ["no time of issue", () => forge({ payload: { iat: undefined } })],
  ["iat that is no number", () => forge({ payload: { iat: "now" } })],
  ...["another-api", "", "perdure", "PERDURE-API", ["another-api"], [], null, undefined, { 0: "perdure-api" }].map(
    (aud) => [`audience ${JSON.stringify(aud)}`, () => forge({ payload: { aud } })] as const,
  ),
  ...["somebody", "", "Perdure", ["perdure"], null, undefined, "https://perdure"].map(
    (iss) => [`issuer ${JSON.stringify(iss)}`, () => forge({ payload: { iss } })] as const,
  ),
  ...["sub", "tenant", "role", "sid"].flatMap((name) => [
    [`no ${name}`, () => forge({ payload: { [name]: undefined } })] as const,
    ...[null, "", "x", 1, {}, ["x"], "' or 1=1 --", "*"].map(
      (value) => [`${name} ${JSON.stringify(value)}`, () => forge({ payload: { [name]: value } })] as const,
    ),
  ]),
  ["a user there is not", () => forge({ payload: { sub: uuidv7() } })],
  ["a session there is not", () => forge({ payload: { sid: uuidv7() } })],
  ["an organization there is not", () => forge({ payload: { tenant: uuidv7() } })],
  ["a session of another user", () => forge({ payload: { sid: others["strangersSession"] } })],
  ["an organization of another user", () => forge({ payload: { tenant: others["strangersTenant"] } })],
  ["the role root", () => forge({ payload: { role: "root" } })],
  ["the role __proto__", () => forge({ payload: { role: "__proto__" } })],
  ["of a member who was removed", () => others["removed"] as string],
  ["of who signed out everywhere", () => others["signedOut"] as string],
  ["the token of a first step (second factor pending)", () => others["pending"] as string],
  ["a refresh token", () => others["refresh"] as string],
  ["an invitation", () => others["invitation"] as string],
  ["an API key there is not", () => `pk_${randomBytes(32).toString("base64url")}`],
  ["its header alone", () => good()[0]],
  ["without its signature", () => good().slice(0, 2).join(".")],
  ["with an empty signature", () => `${good().slice(0, 2).join(".")}.`],
  ["cut by one character", () => own.token.slice(0, -1)],
  ["cut in the middle", () => own.token.slice(0, own.token.length / 2)],
  ["with a character more", () => `${own.token}A`],
  ["with a fourth part", () => `${own.token}.${good()[2]}`],
  ["with a dot behind", () => `${own.token}.`],
  ["with a dot in front", () => `.${own.token}`],
  ["twice", () => `${own.token}${own.token}`],
  ["two, with a comma", () => `${own.token},${own.token}`],
  ["with rubbish behind a blank", () => `${own.token} rubbish`],
  ["with padding", () => `${own.token}=`],
  [
    "padded in each part",
    () =>
      good()
        .map((part) => `${part}=`)
        .join("."),
  ],
  ["its signature in another spelling of the same bytes", () => own.token.slice(0, -1) + String.fromCharCode(own.token.charCodeAt(own.token.length - 1) + 1)],
  ["in quotes", () => `"${own.token}"`],
  ["its parts in another order", () => [good()[1], good()[0], good()[2]].join(".")],
  ["its payload changed (role)", () => [good()[0], encode({ ...claims, role: "viewer" }), good()[2]].join(".")],
  ["its header changed", () => [encode({ ...HEADER, kid: "1" }), good()[1], good()[2]].join(".")],
  ["one bit of the signature changed", () => [...good().slice(0, 2), flip(good()[2])].join(".")],
  ["a header that is no JSON", () => forgeParts("{alg:HS256}", JSON.stringify(claims))],
  ["a header that is a list", () => forgeParts("[]", JSON.stringify(claims))],
  ["a header of null", () => forgeParts("null", JSON.stringify(claims))],
  ...["[]", "null", '"x"', "1", "{", "", "\u0000"].map(
    (payload) => [`the payload ${JSON.stringify(payload)}`, () => forgeParts(JSON.stringify(HEADER), payload)] as const,
  ),
  ["two algs in one header", () => forgeParts('{"alg":"HS256","typ":"at+jwt","alg":"none"}', JSON.stringify(claims))],
  ["as JSON serialization", () => JSON.stringify({ payload: good()[1], protected: good()[0], signature: good()[2] })],
  ["five parts, as an encrypted one has", () => `${encode({ alg: "dir", enc: "A256GCM" })}..AAAA.AAAA.AAAA`],
  ["a header of 10,000 levels", () => forgeParts(`{"alg":"HS256","typ":"at+jwt","x":${"[".repeat(10_000)}${"]".repeat(10_000)}}`, JSON.stringify(claims))],
  ["5,000 characters more, well signed", () => forge({ payload: { x: "x".repeat(5_000) } })],
  ["a million characters", () => `${"A".repeat(500_000)}.${"A".repeat(500_000)}.A`],
  ["a million dots", () => ".".repeat(1_000_000)],
  ["two dots", () => ".."],
  ["null", () => "null"],
  ["undefined", () => "undefined"],
  ["characters of other languages", () => encodeURIComponent("токен")],
];

function flip(signature: string): string {
  const bytes = Buffer.from(signature, "base64url");
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  return bytes.toString("base64url");
}

const decode = { body: { payloads: [] } };
/** Every kind of entry: where a token is taken, and what it answers to a good one. */
const ENTRIES = {
  rest: { good: 200, enter: (token: string) => api.call("GET", "/auth/me", { token }) },
  alias: { good: 200, enter: (token: string) => api.call("GET", "/auth/profile", { token }) },
  change: { good: 201, enter: (token: string) => api.call("POST", "/invitations", { token, body: { email: `${uuidv7()}@example.com`, role: "viewer" } }) },
  stream: { good: 404, enter: (token: string) => api.call("GET", `/executions/${uuidv7()}/stream`, { token, headers: { accept: "text/event-stream" } }) },
  codec: { good: 200, enter: (token: string) => api.call("POST", "/codec/decode", { token, ...decode }) },
  codecCookie: { good: 200, enter: (token: string) => api.call("POST", "/codec/decode", { ...decode, headers: { cookie: `perdure_codec=${token}` } }) },
} as const;
const entries = Object.entries(ENTRIES);

describe("access tokens", () => {
  test.each(entries)("F3: When a good token comes to %s, then it is let in: what the others differ from", async (_name, { good: expected, enter }) => {
    expect((await enter(own.token)).status).toBe(expected);
    expect((await enter(forge())).status, "forged with our secret").toBe(expected);
    expect((await enter(forge({ key: PREVIOUS }))).status, "signed before the secret was rotated").toBe(expected);
    expect((await enter(forge({ header: { kid: "anything" } }))).status, "kid is not looked at").toBe(expected);
    expect((await enter(forge({ payload: { aud: ["another-api", "perdure-api"] } }))).status, "one audience of several").toBe(expected);
  });

  test.each(CASES)("F3: When a token is %s, then it is 401 at every kind of entry", async (_what, make) => {
    const token = make();
    for (const [name, { enter }] of entries) {
      // A cookie's value may stand in quotes (RFC 6265).
      if (name === "codecCookie" && token.startsWith('"ey')) continue;
      const began = performance.now();
      const { status, body, headers } = await enter(token);
      expect([name, status, body["code"] === "auth.invalid" || body["code"] === "auth.required"]).toEqual([name, 401, true]);
      expect(headers.get("www-authenticate")).toContain("Bearer");
      expect(JSON.stringify(body), "nothing of why").not.toMatch(/jose|signature|claim|secret|stack|HS256/i);
      expect(performance.now() - began, "the time of one that is not read is bounded").toBeLessThan(20_000);
    }
  });

  test("F3: When a token stands anywhere else than in the header, then it is not looked at", async () => {
    const places = [
      api.call("GET", `/auth/me?access_token=${own.token}&token=${own.token}&authorization=Bearer%20${own.token}`),
      api.call("GET", "/auth/me", { headers: { cookie: `perdure_codec=${own.token}; access_token=${own.token}` } }),
      api.call("GET", "/auth/me", { headers: { "x-api-key": own.token } }),
      api.call("GET", "/auth/me", { headers: { authorization: own.token } }),
      api.call("GET", "/auth/me", { headers: { authorization: `Basic ${own.token}` } }),
      api.call("POST", "/codec/keys/rotate", { headers: { cookie: `perdure_codec=${own.token}` } }),
    ];
    for (const { status } of await Promise.all(places)) expect(status).toBe(401);
  });

  test("F3: When a sealed value is taken for a token, or a token for a sealed value, then neither opens", async () => {
    const { createTokens } = await import("#api");
    const tokens = createTokens({ secret: JWT_SECRET, accessMinutes: 30 });
    const sealed = await tokens.seal("oidc", { ...(claims as Record<string, string>) }, 60);
    for (const [, { enter }] of entries) expect((await enter(sealed)).status).toBe(401);
    expect([await tokens.unseal("oidc", own.token), await tokens.unseal("another", sealed)]).toEqual([undefined, undefined]);
    expect(await tokens.unseal("oidc", sealed)).toMatchObject({ sub: own.userId });
    expect(await createTokens({ secret: PREVIOUS, previousSecrets: [JWT_SECRET], accessMinutes: 30 }).unseal("oidc", sealed)).toMatchObject({
      sub: own.userId,
    });
    expect(() => createTokens({ secret: JWT_SECRET, previousSecrets: ["short"], accessMinutes: 30 })).toThrow(PerdureError);
  });
});
