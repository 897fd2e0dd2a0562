import { spawn } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { Secret, TOTP } from "otpauth";
import postgres from "postgres";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type JsonObject, type TenantId, tenantId, uuidv7 } from "#core";
import { NOT_SEALED_ANEW, SEALED, SEALED_KINDS, type SealedKind } from "#db";
import { reseal, rotateKeys } from "#payloads";
import { type AccountsApp, startAccounts } from "#tests/accounts.ts";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";
import { testPayloadKeys } from "#tests/payloads.ts";

const SCRIPT = fileURLToPath(new URL("../../scripts/keys-rotate.ts", import.meta.url));
const SETTINGS = { RATE_LIMIT_ACCOUNT_MAILS: "100/h" };
const CANARY = "canary-81c3";
const OLD = testPayloadKeys("old");
const NEW = testPayloadKeys("new");

let database: TestDatabase;
let admin: postgres.Sql;
let api: AccountsApp;

beforeEach(async () => {
  database = await createTestDatabase();
  admin = postgres(database.url, { max: 1, onnotice: () => {} });
  api = await startAccounts({ ...SETTINGS, PAYLOAD_KEYS: OLD }, database);
});
afterEach(async () => {
  await api.close();
  await admin.end();
  await database.drop();
});

const codeOf = (secret: string, steps = 0) => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + steps * 30_000 });

/** Restarts the API with other master keys. */
async function restart(keys: string): Promise<void> {
  await api.close();
  api = await startAccounts({ ...SETTINGS, PAYLOAD_KEYS: keys }, database);
}

async function run(keys: string, ...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [SCRIPT, ...args], {
    env: { PATH: process.env["PATH"] ?? "", DATABASE_URL: database.url, PAYLOAD_KEYS: keys },
    timeout: 60_000,
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

interface Owner {
  tenant: TenantId;
  user: Awaited<ReturnType<AccountsApp["signUp"]>>;
  totp: string;
  credential: string;
  webhook: { id: string; test_url: string; security_token: string; signing_secret: string };
  delivery: { id: string };
}

/** Somebody who has one of everything that is sealed. */
async function settle(): Promise<Owner> {
  const user = await api.signUp(`${randomUUID()}@example.com`);
  const [membership] = await api.db.accounts.memberships(user.userId);
  if (!membership) throw new Error("no membership");
  const tenant = membership.tenantId;
  const as = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const reply = await api.call<T>(method, path, { token: user.token, ...(body && { body }) });
    if (reply.status >= 300) throw new Error(`${path} answers ${reply.status}: ${JSON.stringify(reply.body)}`);
    return reply.body;
  };
  const { secret } = await as<{ secret: string }>("POST", "/auth/second-factor", { password: user.password });
  await as("POST", "/auth/second-factor/confirm", { code: codeOf(secret, -1) });
  const { id: credential } = await as<{ id: string }>("POST", "/credentials", { name: "Theirs", type: "http_bearer", data: { token: CANARY } });
  const graph = { nodes: [{ id: "hook", type: "WebhookTrigger", data: { signature: "hmac" } }], edges: [] };
  const workflow = await as<{ id: string }>("POST", "/workflows", { name: "Called", flow_data: graph });
  const [webhook] = await as<Owner["webhook"][]>("GET", `/webhooks?workflow_id=${workflow.id}`);
  if (!webhook) throw new Error("no webhook");
  await as("PATCH", `/webhooks/${webhook.id}`, { config: { signature: "hmac" } });
  const id = uuidv7();
  const sealed = await api.payloads.seal(tenant, { kind: "webhook delivery", id }, Buffer.from(JSON.stringify({ body: CANARY })));
  await api.db.webhooks.record(tenant, { ...DELIVERY, id, webhookId: webhook.id, ...sealed });
  return { tenant, user, totp: secret, credential, webhook, delivery: { id } };
}

const DELIVERY = {
  kind: "call" as const,
  redeliveryOf: null,
  eventType: "e",
  method: "POST",
  path: "/",
  query: {},
  headers: {},
  body: null,
  bodyBytes: 1,
  sourceIp: "127.0.0.1",
  userAgent: "",
  correlationId: "c",
};

/** Uses everything there is of somebody as they would; once for each, since no code of an authenticator opens twice. */
async function everythingOpens({ tenant, user, totp, credential, webhook, delivery }: Owner): Promise<void> {
  const first = await api.signIn(user.email, user.password);
  expect(first.status).toBe(202);
  const signedIn = await api.call("POST", "/auth/login/second-factor", {
    body: { second_factor_token: first.body["second_factor_token"], code: codeOf(totp) },
  });
  expect(signedIn.status, "signs in with the second factor").toBe(200);
  const token = signedIn.body["access_token"] as string;
  const shown = await api.call<JsonObject>("GET", `/webhooks/${webhook.id}`, { token });
  expect(shown.body).toMatchObject({ security_token: webhook.security_token, signing_secret: webhook.signing_secret });
  const seconds = Math.floor(Date.now() / 1000);
  const call = (secret: string) => {
    const signature = createHmac("sha256", secret).update(`${seconds}.{}`).digest("hex");
    return api.call("POST", new URL(webhook.test_url).href, {
      body: {},
      headers: { "x-webhook-timestamp": String(seconds), "x-webhook-signature": `sha256=${signature}` },
    });
  };
  expect([(await call(webhook.signing_secret)).status, (await call("another")).status], "a signed call").toEqual([200, 401]);
  const rows = await api.db.credentials.sealed(tenant, [credential]);
  for (const row of rows) expect((await api.payloads.open(tenant, { kind: "credential", id: row.id }, row)).toString()).toContain(CANARY);
  expect(rows).toHaveLength(1);
  const kept = await api.db.webhooks.delivery(tenant, webhook.id, delivery.id);
  if (!kept?.sealed || !kept.keyVersion) throw new Error("no delivery");
  const opened = await api.payloads.open(tenant, { kind: "webhook delivery", id: delivery.id }, { sealed: kept.sealed, keyVersion: kept.keyVersion });
  expect(opened.toString()).toContain(CANARY);
}

/** By kind, which versions of keys seal something. */
async function versions(): Promise<Partial<Record<SealedKind, number[]>>> {
  const found: Partial<Record<SealedKind, number[]>> = {};
  for (const kind of SEALED_KINDS) {
    const rows = await admin.unsafe<{ version: number }[]>(
      `select distinct key_version as version from ${SEALED[kind].table} where sealed is not null order by 1`,
    );
    found[kind] = rows.map(({ version }) => version);
  }
  return found;
}
const only = (...all: number[]) => Object.fromEntries(SEALED_KINDS.map((kind) => [kind, all]));

test("F2: When the schema has a column of bytes, then it is of what a rotation seals anew, or is said to need none, and holds what belongs there", async () => {
  const columns = await admin<{ name: string }[]>`
    select table_name || '.' || column_name as name from information_schema.columns where table_schema = 'public' and data_type = 'bytea' order by 1`;
  const known = [...SEALED_KINDS.map((kind) => `${SEALED[kind].table}.sealed`), ...Object.keys(NOT_SEALED_ANEW)];
  expect(columns.map(({ name }) => name)).toEqual(known.toSorted());
  const versioned = await admin<{ name: string }[]>`
    select table_name as name from information_schema.columns where table_schema = 'public' and column_name = 'key_version' order by 1`;
  expect(versioned.map(({ name }) => name)).toEqual(SEALED_KINDS.map((kind) => SEALED[kind].table as string).toSorted());
});

test("F2 F3: When the master key and all data keys are replaced and the old master key is removed, then second factors, webhooks, deliveries and credentials still open, under new keys", async () => {
  const owners = [await settle(), await settle()];
  expect(await versions(), "settle() has one of each kind").toEqual(only(1));
  await api.call("DELETE", `/webhooks/${owners[1]?.webhook.id}`, { token: owners[1]?.user.token ?? "" });
  const { code, out, err } = await run(`${NEW},${OLD}`);
  expect([code, err]).toEqual([0, ""]);
  expect(out).toContain("4 new keys, 4 wrapped anew, 8 values of 4 organizations and users sealed anew");
  expect(await versions(), "of a deleted webhook as well").toEqual(only(2));
  expect(await admin`select distinct master_id from payload_keys`).toEqual([{ master_id: "new" }]);
  await restart(NEW);
  await everythingOpens(owners[0] as Owner);
  await restart(OLD);
  expect((await api.signIn(owners[0]?.user.email ?? "", "secure_password")).status).toBe(202);
  await expect(api.payloads.check(), "the old master key opens nothing any more").rejects.toMatchObject({ code: "configuration.invalid" });
});

test("F2: When it is repeated with --reseal or --rewrap, then there is nothing to do; with --tenant, then for that one only", async () => {
  const [one, other] = [await settle(), await settle()];
  const before = await admin`select id, sealed from webhooks order by id`;
  for (const [arg, words] of [
    ["--reseal", "0 new keys, 0 wrapped anew, 0 values of 4 organizations"],
    ["--rewrap", "0 new keys, 0 wrapped anew, 0 values of 0 organizations"],
  ] as const) {
    expect(await run(OLD, arg)).toMatchObject({ code: 0, err: "", out: expect.stringContaining(words) });
  }
  expect(await admin`select id, sealed from webhooks order by id`).toEqual(before);
  expect(await run(OLD, "--tenant", one.tenant)).toMatchObject({ code: 0, out: expect.stringContaining("1 new keys, 0 wrapped anew, 3 values of 1 ") });
  const rows = await admin<{ tenant_id: string; key_version: number }[]>`select tenant_id, key_version from webhooks`;
  expect(Object.fromEntries(rows.map((row) => [row.tenant_id, row.key_version]))).toEqual({ [one.tenant]: 2, [other.tenant]: 1 });
  await everythingOpens(one);
});

test("F2: When a rotation is interrupted at any place, then everything opens, and going on completes it without a second new key for anybody", async () => {
  const owners = [await settle(), await settle(), await settle()];
  await restart(`${NEW},${OLD}`);
  const since = new Date();
  const stop = new AbortController();
  let steps = 0;
  const given = { payloads: api.payloads, rows: api.db.sealed, until: "keys" as const, since };
  const progress = () => void (++steps === 4 && stop.abort());
  const first = await rotateKeys({ ...given, signal: stop.signal, progress });
  expect(first).toMatchObject({ isComplete: false, wrapped: 6, newKeys: 3, owners: 0 });
  await everythingOpens(owners[0] as Owner);
  const stopAgain = new AbortController();
  const second = await rotateKeys({ ...given, signal: stopAgain.signal, progress: ({ owners: sealed }) => void (sealed === 2 && stopAgain.abort()) });
  expect(second).toMatchObject({ isComplete: false, wrapped: 0, newKeys: 3, owners: 2 });
  await everythingOpens(owners[1] as Owner);
  const third = await rotateKeys(given);
  expect(third).toMatchObject({ isComplete: true, newKeys: 0, owners: 6, unreadable: [] });
  expect(second.resealed + third.resealed).toBe(12);
  expect(await versions()).toEqual(only(2));
  expect(await admin`select max(version) as max, count(*)::int as keys from payload_keys`).toEqual([{ max: 2, keys: 12 }]);
  await restart(NEW);
  await everythingOpens(owners[2] as Owner);
});

test("F2: When there are more values than one batch takes and one of them is damaged, then all others are sealed anew, the damaged one is named and left", async () => {
  const owner = await settle();
  const { tenant, webhook } = owner;
  const ids = Array.from({ length: 230 }, () => uuidv7());
  for (const [n, id] of ids.entries()) {
    // Three of them fill a batch by their size.
    const bytes = Buffer.alloc(n < 6 ? 3_000_000 : 50, 1);
    const sealed = await api.payloads.seal(tenant, { kind: "webhook delivery", id }, bytes);
    await api.db.webhooks.record(tenant, { ...DELIVERY, id, webhookId: webhook.id, ...sealed });
  }
  const damaged = ids[120] ?? "";
  await admin`update webhook_deliveries set sealed = set_byte(sealed, 20, (get_byte(sealed, 20) + 1) % 256) where id = ${damaged}`;
  const { code, out, err } = await run(OLD);
  expect([code, err.trim()]).toEqual([1, `Cannot be opened and stays as it is: the webhook delivery ${damaged} of ${tenant}`]);
  expect(out).toContain(`${4 + 229} values of 2 organizations and users`);
  expect(await admin`select id from webhook_deliveries where sealed is not null and key_version = 1`).toEqual([{ id: damaged }]);
  await everythingOpens(owner);
});

test("F1: When another organization's rows are asked for or replaced, then there are none", async () => {
  const [one, other] = [await settle(), await settle()];
  for (const kind of SEALED_KINDS) {
    const owner = tenantId(kind === "second factor" ? one.user.userId : one.tenant);
    const mine = await api.db.sealed.older(owner, kind, 2);
    expect(mine, kind).toHaveLength(1);
    const [row] = mine as [(typeof mine)[number]];
    const stranger = tenantId(kind === "second factor" ? other.user.userId : other.tenant);
    expect((await api.db.sealed.older(stranger, kind, 2)).map(({ id }) => id)).not.toContain(row.id);
    expect(await api.db.sealed.replace(stranger, kind, [{ id: row.id, before: row.sealed, after: { keyVersion: 2, sealed: Buffer.from("x") } }])).toBe(0);
  }
  await everythingOpens(one);
});

test("F2: When an admin rotates the organization's key by REST, then its credentials and webhooks are sealed anew at once, deliveries stay readable, and nobody else's change", async () => {
  const [one, other] = [await settle(), await settle()];
  expect((await api.call("POST", "/codec/keys/rotate", { token: one.user.token })).status).toBe(201);
  const of = async (table: string, tenant: string) =>
    (await admin.unsafe<{ key_version: number }[]>(`select key_version from ${table} where tenant_id = '${tenant}'`)).map((row) => row.key_version);
  expect([await of("credentials", one.tenant), await of("webhooks", one.tenant), await of("webhook_deliveries", one.tenant)]).toEqual([[2], [2], [1]]);
  expect([await of("credentials", other.tenant), await of("webhooks", other.tenant)]).toEqual([[1], [1]]);
  await everythingOpens(one);
  expect(await reseal({ rows: api.db.sealed, payloads: api.payloads, tenant: one.tenant })).toEqual({ resealed: 1, unreadable: [] });
});
