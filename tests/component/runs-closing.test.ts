import { afterAll, beforeAll, expect, test } from "vitest";
import { eventKey, PerdureError, type RunEvent, type TenantId, uuidv7 } from "#core";
import { type Database, openDatabase } from "#db";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";
import { createClosing } from "../../runs/closing.ts";
import type { TemporalRuns } from "../../runs/temporal.ts";

let database: TestDatabase;
let db: Database;
let tenant: TenantId;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 4 });
  tenant = (await db.accounts.register({ email: "a@example.com", passwordHash: "h", name: "A", organizationName: "A" })).membership.tenantId;
});
afterAll(async () => {
  await db?.close();
  await database?.drop();
});

test("A2 A5: When the parent of a child that was terminated cannot be told, then the child stays open until it has been", async () => {
  const [parentId, id] = [uuidv7(), uuidv7()];
  const asked = {
    workflowId: null,
    workflowName: "W",
    version: null,
    plan: { settings: {} },
    inputs: {},
    variables: {},
    entries: [],
    trigger: "api",
    createdBy: null,
  };
  await db.runs.insert(tenant, parentId, asked as never);
  await db.runs.insert(tenant, id, { ...asked, parentId, trigger: "parent" } as never);
  const told: string[] = [];
  let isAway = true;
  const temporal: Partial<TemporalRuns> = {
    toldFacts: async () => undefined,
    snapshot: async () => undefined,
    async childClosed(_tenant, parent) {
      if (isAway) throw new PerdureError("temporal.unavailable", "Temporal is away.");
      told.push(parent);
    },
  };
  const closing = createClosing({ db, temporal: temporal as TemporalRuns });
  const ending = { status: "cancelled" as const, at: new Date(), isAbrupt: true };
  await expect(closing.close(tenant, id, ending)).rejects.toMatchObject({ code: "temporal.unavailable" });
  isAway = false;
  expect(await closing.close(tenant, id, ending)).toMatchObject({ status: "cancelled" });
  expect(told).toEqual([parentId]);
});

test("A10: When a worker that died told an end of an iteration that Temporal never had, then the closed run shows what its workflow says", async () => {
  const id = uuidv7();
  const plan = { settings: { execution: "express", max_parallel: 1, priority: 2 } } as never;
  await db.runs.insert(tenant, id, {
    workflowId: null,
    workflowName: "W",
    version: null,
    plan,
    inputs: {},
    variables: {},
    entries: [],
    trigger: "api",
    createdBy: null,
  } as never);
  const end = (status: "completed" | "cancelled", output?: string): RunEvent => ({
    run_id: id,
    key: eventKey("node_end", "call", "2", status === "completed" ? 1 : 0),
    kind: "node_end",
    at: new Date().toISOString(),
    node_id: "call",
    iteration: "2",
    attempt: 1,
    data: { type: "HttpRequest", name: "Call", status, ...(output !== undefined && { output }) },
  });
  await db.log.append([{ tenantId: tenant, event: end("completed", "of the dead") }]);
  const temporal: Partial<TemporalRuns> = {
    toldFacts: async () => ({ facts: [end("cancelled")] }),
    snapshot: async () => ({ status: "failed", nodes: [], waits: [], variables: {} }),
  };
  const closing = createClosing({ db, temporal: temporal as TemporalRuns });
  const error = { code: "http.failed" as const, message: "m", retryable: false };
  const run = await closing.close(tenant, id, { status: "failed", error: error as never, at: new Date(), counts: { cancelled: 1 } } as never);
  expect(run.status).toBe("failed");
  expect((await db.runs.nodes(tenant, id, { limit: 10 })).rows).toMatchObject([{ node_id: "call", iteration: "2", status: "cancelled", output: null }]);
  const told = (await db.runs.events(tenant, id, 0, 100)).filter(({ kind }) => kind === "node_end").map(({ data }) => [data?.status, data?.["corrects"]]);
  expect(told.at(0)).toEqual(["completed", undefined]);
  expect(told.at(-1)).toEqual(["cancelled", true]);
});
