import { afterAll, beforeAll, expect, test } from "vitest";
import { type TenantId, tenantId, uuidv7 } from "#core";
import { type AccountsApp, startAccounts } from "#tests/accounts.ts";
import { EVERY_MINUTE } from "#tests/every-minute.ts";

const MAX = 3;
const AT_ONCE = 12;
let api: AccountsApp;

beforeAll(async () => {
  api = await startAccounts({ API_KEYS_MAX: String(MAX) });
});
afterAll(() => api?.close());

async function organization(): Promise<{ tenant: TenantId; token: string; workflowId: string }> {
  const { token, userId } = await api.signUp();
  const [membership] = await api.db.accounts.memberships(userId);
  const tenant = tenantId(membership?.tenantId ?? "");
  const fields = { name: "W", description: "", tags: [], settings: {}, isPublic: false, createdBy: null };
  const { workflow } = await api.db.workflows.create(tenant, fields, { graph: { nodes: [] }, plan: null, problems: [], hash: uuidv7(), createdBy: null });
  return { tenant, token, workflowId: workflow.id };
}

/** How often it went well, of many at once. */
async function done(attempt: (index: number) => Promise<unknown>): Promise<number> {
  const outcomes = await Promise.allSettled(Array.from({ length: AT_ONCE }, (_, index) => attempt(index)));
  return outcomes.filter(({ status }) => status === "fulfilled").length;
}

test("F3 F4: When many API keys are asked for at once, then the organization has API_KEYS_MAX of them, and the others are told", async () => {
  const { token } = await organization();
  const answers = await Promise.all(
    Array.from({ length: AT_ONCE }, (_, index) => api.call("POST", "/api-keys", { token, body: { name: `key ${index}`, scopes: ["run.read"] } })),
  );
  expect(answers.map(({ status }) => status).toSorted()).toEqual([...Array<number>(MAX).fill(201), ...Array<number>(AT_ONCE - MAX).fill(409)]);
  expect((await api.call<unknown[]>("GET", "/api-keys", { token })).body).toHaveLength(MAX);
});

test("F4: When many credentials, schedules, node types or variables are made at once, then the organization has as many as it may, and another has its own", async () => {
  const { tenant, workflowId } = await organization();
  const other = await organization();
  const { credentials, schedules, customNodes, variables } = api.db;
  const credential = (of: TenantId, index: number) => {
    const row = {
      id: uuidv7(),
      name: `c${index}`,
      type: "http_bearer",
      description: "",
      fields: ["token"],
      createdBy: null,
      keyVersion: 1,
      sealed: Buffer.from([1]),
    };
    return credentials.create(of, row, MAX);
  };
  const schedule = (index: number) => {
    const row = { id: uuidv7(), workflowId, nodeId: null, source: "api" as const, name: `s${index}`, inputs: {}, note: "", createdBy: null };
    return schedules.create(tenant, { ...row, enabled: true, definition: EVERY_MINUTE }, MAX);
  };
  expect(await done((index) => credential(index % 2 === 0 ? tenant : other.tenant, index))).toBe(2 * MAX);
  expect(await done(schedule)).toBe(MAX);
  expect(await done((index) => customNodes.register(tenant, { name: `Node${index}`, definition: {}, createdBy: null }, MAX))).toBe(MAX);
  expect(await done((index) => variables.set(tenant, null, { name: `v${index}`, value: 1, createdBy: null }, { max: MAX, maxBytes: 1_000 }))).toBe(MAX);
});
