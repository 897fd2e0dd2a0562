import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type JsonObject, type TenantId, uuidv7 } from "#core";
import { type AdmissionTerms, type Database, type NewVersion, openDatabase } from "#db";
import type { FeedingCall, NewWebhookDelivery, StartRun } from "#runs";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";
import { planOf } from "../../api/testing/test-app.ts";

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 6 });
});
afterAll(async () => {
  await db?.close();
  await database?.drop();
});

async function organization(): Promise<TenantId> {
  const { membership } = await db.accounts.register({ email: `${randomUUID()}@example.com`, passwordHash: "h", name: "A", organizationName: "O" });
  return membership.tenantId;
}

const newId = () => `wh_${randomUUID().replaceAll("-", "").slice(0, 24)}`;
const node = (nodeId: string, config = {}) => ({ id: newId(), nodeId, config, tokenHash: "h", keyVersion: 1, sealed: Buffer.from([0, 255]) });
const versionSaying = (settings: Record<string, JsonObject>): NewVersion => ({
  graph: { nodes: Object.keys(settings).map((id) => ({ id })) },
  plan: { ...planOf(), entries: { manual: [], triggers: Object.keys(settings) } },
  problems: [],
  hash: randomUUID(),
  createdBy: null,
  credentials: [],
  webhooks: Object.entries(settings).map(([id, config]) => node(id, config)),
});
const versionWith = (...nodeIds: string[]): NewVersion => versionSaying(Object.fromEntries(nodeIds.map((id) => [id, {}])));
const FIELDS = { name: "W", description: "", tags: [], settings: {}, isPublic: false, createdBy: null };

async function hookOf(tenant: TenantId) {
  const { workflow } = await db.workflows.create(tenant, FIELDS, versionWith("hook"));
  const [hook] = (await db.webhooks.list(tenant, { workflowId: workflow.id }, { limit: 10 })).rows;
  if (!hook) throw new Error("no webhook");
  return { workflow, hook };
}

const delivery = (webhookId: string, more: Partial<NewWebhookDelivery> = {}): NewWebhookDelivery => ({
  id: uuidv7(),
  webhookId,
  kind: "call",
  redeliveryOf: null,
  eventType: "e",
  method: "POST",
  path: "/",
  query: {},
  headers: {},
  body: { a: "\u0000" },
  bodyBytes: 1,
  sourceIp: "127.0.0.1",
  userAgent: "",
  correlationId: "c",
  sealed: Buffer.from([1]),
  keyVersion: 1,
  ...more,
});
const start = (workflowId: string, given: NewWebhookDelivery, key?: string): StartRun => ({
  workflowId,
  workflowName: "W",
  version: 1,
  plan: planOf(),
  inputs: {},
  variables: {},
  entries: ["hook"],
  trigger: "webhook",
  createdBy: null,
  delivery: given,
  ...(key !== undefined && { idempotency: { key, requestHash: "webhook" } }),
});
const terms = (workflowId: string, request: StartRun): AdmissionTerms => ({
  groupKey: workflowId,
  workflowId,
  priority: 3,
  maxRuns: null,
  maxQueued: null,
  holdsWhileWaiting: false,
  isLimited: false,
  organizationMaxQueued: 10,
  waitingMs: 1_000,
  request,
});
const insert = (tenant: TenantId, request: StartRun) => db.runs.insert(tenant, uuidv7(), request, terms(request.workflowId ?? "", request));

/** Returns the command's id. */
async function feedRun(tenant: TenantId, runId: string, call: FeedingCall): Promise<string> {
  const id = uuidv7();
  await db.commands.insert(tenant, { id, runId, command: { kind: "send_event" }, by: call.delivery.webhookId, at: new Date(), call });
  return id;
}

describe("webhooks of workflows", () => {
  test("C1: When a graph is saved, then each of its webhook nodes has one webhook, however often and at once it is saved", async () => {
    const tenant = await organization();
    const { workflow, hook } = await hookOf(tenant);
    await Promise.all(Array.from({ length: 5 }, () => db.workflows.update(tenant, workflow.id, {}, versionWith("hook", "other"))));
    const { rows } = await db.webhooks.list(tenant, { workflowId: workflow.id }, { limit: 10 });
    expect(rows.map(({ nodeId }) => nodeId).toSorted()).toEqual(["hook", "other"]);
    expect(rows.find(({ nodeId }) => nodeId === "hook")?.id).toBe(hook.id);
  });

  test("C1: When a node is gone from the newest version but in the published one, then its webhook stays until another is published", async () => {
    const tenant = await organization();
    const { workflow, hook } = await hookOf(tenant);
    await db.workflows.publish(tenant, workflow.id, 1);
    await db.workflows.update(tenant, workflow.id, {}, versionWith("other"));
    expect((await db.webhooks.called(hook.id))?.id).toBe(hook.id);
    expect((await db.webhooks.served(tenant, workflow.id))?.version.version).toBe(1);
    await db.workflows.publish(tenant, workflow.id, 2);
    expect(await db.webhooks.called(hook.id)).toBeUndefined();
    await db.workflows.publish(tenant, workflow.id, 1);
    expect((await db.webhooks.called(hook.id))?.id).toBe(hook.id);
  });

  test("C1: When the newest version has problems, then the newest without any is served", async () => {
    const tenant = await organization();
    const { workflow } = await hookOf(tenant);
    await db.workflows.update(tenant, workflow.id, {}, { ...versionWith("hook"), plan: null, problems: [{ code: "x" }] });
    expect((await db.webhooks.served(tenant, workflow.id))?.version.version).toBe(1);
  });

  describe("C1 F4: settings of a webhook whose workflow is published", () => {
    const CLOSED = { allowed_ips: ["10.0.0.0/8"], timeout: 5 };
    const OPEN = { authentication_required: false, timeout: 5 };

    async function published() {
      const tenant = await organization();
      const { workflow } = await db.workflows.create(tenant, FIELDS, versionSaying({ hook: CLOSED }));
      await db.workflows.publish(tenant, workflow.id, 1, { webhooks: [node("hook", CLOSED)] });
      const [hook] = (await db.webhooks.list(tenant, { workflowId: workflow.id }, { limit: 10 })).rows;
      if (!hook) throw new Error("no webhook");
      const config = async () => (await db.webhooks.called(hook.id))?.config;
      const publish = (version: number, settings: JsonObject) => db.workflows.publish(tenant, workflow.id, version, { webhooks: [node("hook", settings)] });
      return { tenant, workflow, hook, config, publish };
    }

    test("When a draft says otherwise, then they stay, until that version is published", async () => {
      const { tenant, workflow, config, publish } = await published();
      await db.workflows.update(tenant, workflow.id, {}, versionSaying({ hook: OPEN }));
      expect(await config()).toEqual(CLOSED);
      await publish(2, OPEN);
      expect(await config()).toEqual(OPEN);
      await publish(1, CLOSED);
      expect(await config()).toEqual(CLOSED);
    });

    test("When they were changed by REST, then publishing takes over what the node says otherwise than the version that was published before, and no more", async () => {
      const { tenant, workflow, hook, config, publish } = await published();
      await db.webhooks.update(tenant, hook.id, { config: { ...CLOSED, timeout: 9 } });
      await db.workflows.update(tenant, workflow.id, {}, versionSaying({ hook: { ...CLOSED, timeout: 7 } }));
      await db.workflows.update(tenant, workflow.id, {}, versionSaying({ hook: { ...CLOSED, response_mode: "accepted" } }));
      await publish(3, { ...CLOSED, response_mode: "accepted" });
      expect(await config()).toEqual({ ...CLOSED, timeout: 9, response_mode: "accepted" });
    });

    test("When a draft has a node more, then its webhook is there with the settings of the newest draft, and calls of it are served by nothing", async () => {
      const { tenant, workflow, config } = await published();
      await db.workflows.update(tenant, workflow.id, {}, versionSaying({ hook: OPEN, other: { timeout: 1 } }));
      await db.workflows.update(tenant, workflow.id, {}, versionSaying({ hook: OPEN, other: { timeout: 2 } }));
      const { rows } = await db.webhooks.list(tenant, { workflowId: workflow.id }, { limit: 10 });
      expect(rows.find(({ nodeId }) => nodeId === "other")?.config).toEqual({ timeout: 2 });
      expect(await config()).toEqual(CLOSED);
      expect((await db.webhooks.served(tenant, workflow.id))?.version.plan?.entries.triggers).toEqual(["hook"]);
    });

    test("When nothing is published, then they follow each save that has no problems, as what a call runs does", async () => {
      const tenant = await organization();
      const { workflow } = await db.workflows.create(tenant, FIELDS, versionSaying({ hook: CLOSED }));
      const config = async () => (await db.webhooks.list(tenant, { workflowId: workflow.id }, { limit: 10 })).rows[0]?.config;
      await db.workflows.update(tenant, workflow.id, {}, { ...versionSaying({ hook: OPEN }), plan: null, problems: [{ code: "x" }] });
      expect(await config()).toEqual(CLOSED);
      await db.workflows.update(tenant, workflow.id, {}, versionSaying({ hook: OPEN }));
      expect(await config()).toEqual(OPEN);
    });

    test("When a deleted webhook is made anew, then saving the graph keeps what was asked for in the request", async () => {
      const { tenant, workflow, hook } = await published();
      await db.webhooks.remove(tenant, hook.id);
      const { id } = await db.webhooks.create(tenant, workflow.id, node("hook", { ...CLOSED, timeout: 9 }), CLOSED);
      await db.workflows.update(tenant, workflow.id, {}, versionSaying({ hook: CLOSED }));
      await db.workflows.publish(tenant, workflow.id, 2, { webhooks: [node("hook", CLOSED)] });
      expect((await db.webhooks.get(tenant, id))?.config).toEqual({ ...CLOSED, timeout: 9 });
    });
  });

  test("F1 C1: When another organization asks, then there is no such webhook and no delivery", async () => {
    const [owner, stranger] = [await organization(), await organization()];
    const { hook } = await hookOf(owner);
    const came = delivery(hook.id);
    await db.webhooks.record(owner, came);
    expect(await db.webhooks.get(stranger, hook.id)).toBeUndefined();
    expect((await db.webhooks.deliveries(stranger, hook.id, {}, { limit: 10 })).rows).toEqual([]);
    expect(await db.webhooks.delivery(stranger, hook.id, came.id)).toBeUndefined();
    expect([await db.webhooks.remove(stranger, hook.id), await db.webhooks.update(stranger, hook.id, { isActive: false })]).toEqual([false, undefined]);
    expect((await db.webhooks.delivery(owner, hook.id, came.id))?.sealed).toEqual(Buffer.from([1]));
  });

  test("C1: When webhooks are paged, then every one comes once", async () => {
    const tenant = await organization();
    await db.workflows.create(tenant, FIELDS, versionWith("a", "b", "c", "d", "e"));
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await db.webhooks.list(tenant, {}, { limit: 2, ...(cursor !== undefined && { cursor }) });
      seen.push(...page.rows.map(({ nodeId }) => nodeId));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen.toSorted()).toEqual(["a", "b", "c", "d", "e"]);
    await expect(db.webhooks.list(tenant, {}, { limit: 2, cursor: "nonsense" })).rejects.toMatchObject({ code: "request.malformed" });
  });
});

describe("a delivery and its run", () => {
  test("C2: When a call is stored, then its run is handed out to be started until somebody has noted that it was", async () => {
    const tenant = await organization();
    const { workflow, hook } = await hookOf(tenant);
    const { run, created, limited } = await insert(tenant, start(workflow.id, delivery(hook.id)));
    expect([created, limited, run.slot]).toEqual([true, false, { state: "admitted" }]);
    const limits = { installation: undefined, organization: undefined, waitingMs: 1_000 };
    await new Promise((resolve) => setTimeout(resolve, 20));
    const mine = async () => (await db.admission.admit(limits, 1, 50, false)).filter(({ runId }) => runId === run.id);
    expect((await mine()).map(({ request }) => request.trigger)).toEqual(["webhook"]);
    await db.admission.started(tenant, run.id);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await mine()).toEqual([]);
    expect((await db.webhooks.deliveries(tenant, hook.id, {}, { limit: 10 })).rows).toMatchObject([{ runId: run.id, isRepeat: false, body: { a: "\uFFFD" } }]);
  });

  test("C2: When ten calls of one key come at once, then they have one run and ten deliveries", async () => {
    const tenant = await organization();
    const { workflow, hook } = await hookOf(tenant);
    const stored = await Promise.all(Array.from({ length: 10 }, () => insert(tenant, start(workflow.id, delivery(hook.id), "key"))));
    expect(new Set(stored.map(({ run }) => run.id)).size).toBe(1);
    const { rows } = await db.webhooks.deliveries(tenant, hook.id, {}, { limit: 20 });
    expect(rows.filter(({ isRepeat }) => !isRepeat)).toHaveLength(1);
    expect(rows).toHaveLength(10);
  });

  test("C1: When a signature comes again, then it is refused and neither run nor delivery is kept; after its time it may come", async () => {
    const tenant = await organization();
    const { workflow, hook } = await hookOf(tenant);
    const signed = (hash: string, ms: number) => start(workflow.id, delivery(hook.id, { signature: { hash, until: new Date(Date.now() + ms) } }));
    await insert(tenant, signed("s-1", 60_000));
    const racing = await Promise.allSettled(Array.from({ length: 5 }, () => insert(tenant, signed("s-2", 60_000))));
    expect(racing.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await expect(insert(tenant, signed("s-1", 60_000))).rejects.toMatchObject({ code: "resource.conflict" });
    expect((await db.runs.list(tenant, {}, { limit: 10 })).rows).toHaveLength(2);
    expect((await db.webhooks.deliveries(tenant, hook.id, {}, { limit: 10 })).rows).toHaveLength(2);
    await insert(tenant, signed("s-3", -1));
    await insert(tenant, signed("s-3", 60_000));
  });

  test("C1: When a call has started a run, or fed one, then that is known of its key and its signature, to its own organization alone", async () => {
    const [tenant, stranger] = [await organization(), await organization()];
    const { workflow, hook } = await hookOf(tenant);
    const signature = { hash: "s-4", until: new Date(Date.now() + 60_000) };
    const { run } = await insert(tenant, start(workflow.id, delivery(hook.id, { signature }), "key-4"));
    const known = [{ idempotencyKey: "key-4" }, { signatureHash: "s-4" }, { idempotencyKey: "key-5" }, { signatureHash: "s-5" }, {}];
    expect(await Promise.all(known.map((call) => db.webhooks.started(tenant, hook.id, call)))).toEqual([true, true, false, false, false]);
    expect(await Promise.all(known.map((call) => db.webhooks.started(stranger, hook.id, call)))).toEqual([false, false, false, false, false]);

    const feed = (key: string) => feedRun(tenant, run.id, { key, delivery: delivery(hook.id, { signature: { ...signature, hash: "s-6" } }) });
    const racing = await Promise.allSettled(["a", "b", "c"].map(feed));
    expect(racing.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await expect(feed("d")).rejects.toMatchObject({ code: "resource.conflict" });
    expect((await db.webhooks.deliveries(tenant, hook.id, {}, { limit: 10 })).rows).toHaveLength(2);
    await db.webhooks.record(tenant, delivery(hook.id), run.id);
    expect((await db.webhooks.deliveries(tenant, hook.id, {}, { limit: 10 })).rows).toMatchObject([{ isRepeat: true, runId: run.id }, {}, {}]);
  });

  test("C1 C2: When calls of one key feed a run and start one at the same moment, then one of them does, until what was fed is refused", async () => {
    const [tenant, stranger] = [await organization(), await organization()];
    const { workflow, hook } = await hookOf(tenant);
    const { run } = await insert(tenant, start(workflow.id, delivery(hook.id)));
    for (let round = 0; round < 5; round++) {
      const key = `key-${round}`;
      const fed = Promise.allSettled(Array.from({ length: 3 }, () => feedRun(tenant, run.id, { key, delivery: delivery(hook.id) })));
      const started = Promise.all(Array.from({ length: 3 }, () => insert(tenant, start(workflow.id, delivery(hook.id), key))));
      const isFed = (await fed).filter(({ status }) => status === "fulfilled").length;
      expect(isFed + (await started).filter(({ created }) => created).length).toBe(1);
      expect(await db.webhooks.fed(tenant, hook.id, key)).toBe(isFed === 1 ? run.id : undefined);
    }
    const refused = await feedRun(tenant, run.id, { key: "again", delivery: delivery(hook.id) });
    const applied = await feedRun(tenant, run.id, { key: "kept", delivery: delivery(hook.id) });
    expect(await db.webhooks.fed(stranger, hook.id, "again")).toBeUndefined();
    await db.commands.settle(tenant, refused, "refused", null);
    await db.commands.settle(tenant, applied, "applied", null);
    await db.commands.settle(tenant, applied, "refused", null);
    expect([await db.webhooks.fed(tenant, hook.id, "again"), await db.webhooks.fed(tenant, hook.id, "kept")]).toEqual([undefined, run.id]);
    const signed = (hash: string) => delivery(hook.id, { signature: { hash, until: new Date(Date.now() + 60_000) } });
    const [first, second] = [await feedRun(tenant, run.id, { delivery: signed("not-taken") }), await feedRun(tenant, run.id, { delivery: signed("taken") })];
    await db.commands.settle(tenant, first, "refused", null);
    await db.commands.settle(tenant, second, "applied", null);
    const known = ["not-taken", "taken"].map((signatureHash) => db.webhooks.started(tenant, hook.id, { signatureHash }));
    expect(await Promise.all(known)).toEqual([false, true]);
    const later = ["again", "kept"].map(async (key) => (await insert(tenant, start(workflow.id, delivery(hook.id), key))).created);
    expect(await Promise.all(later)).toEqual([true, false]);
  });

  test("C2: When answers are noted, then each counts once, and the mean is of their time", async () => {
    const tenant = await organization();
    const { hook } = await hookOf(tenant);
    for (const [status, durationMs] of [
      [200, 10],
      [500, 30],
    ] as const) {
      const came = delivery(hook.id);
      await db.webhooks.record(tenant, came);
      await db.webhooks.finish(tenant, came.id, { status, body: null, durationMs });
      await db.webhooks.finish(tenant, came.id, { status: 200, body: null, durationMs: 1_000 });
    }
    expect(await db.webhooks.get(tenant, hook.id)).toMatchObject({ triggerCount: 2, errorCount: 1, totalDurationMs: 40 });
    expect((await db.webhooks.deliveries(tenant, hook.id, { isError: true }, { limit: 10 })).rows).toMatchObject([{ responseStatus: 500 }]);
  });
});
