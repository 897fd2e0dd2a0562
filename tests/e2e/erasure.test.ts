import { Client, Connection } from "@temporalio/client";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { TestClient } from "../support/client.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { until } from "../support/until.ts";

const GRAPH = {
  nodes: [
    { id: "start", type: "Start" },
    { id: "large", type: "Transform", data: { inputs: { expression: '$join([1..20000].("x" & $string($)))' } } },
    { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Go on?" } } },
    { id: "end", type: "End" },
  ],
  edges: [
    { source: "start", target: "large" },
    { source: "large", target: "ask" },
    { source: "ask", target: "end", sourceHandle: "approved" },
  ],
};

let perdure: Perdure;
let sql: postgres.Sql;
let connection: Connection;

beforeAll(async () => {
  perdure = await startPerdure({ ERASURE_SETTLE_MS: "1000", LOG_LEVEL: "error" });
  sql = postgres(perdure.databaseUrl, { max: 1, onnotice: () => {} });
  connection = await Connection.connect({ address: perdure.temporalAddress });
});
afterAll(async () => {
  await connection?.close();
  await sql?.end();
  await perdure?.stop();
});

const tenantOf = async (run: string) => (await sql<{ tenant_id: string }[]>`select tenant_id from runs where id = ${run}`)[0]?.tenant_id as string;

async function approve(user: TestClient, run: string): Promise<void> {
  const { body } = await user.get<JsonObject[]>("/api/v1/approvals?status=pending");
  expect((await user.post(`/api/v1/approvals/${body.find((row) => row["execution_id"] === run)?.["id"] as string}`, { decision: "approved" })).status).toBe(
    200,
  );
}

test("K4: When an organization is erased with live runs, then nothing of it is left in Temporal or Postgres, nobody comes in, and the other one's runs go on", async () => {
  const { user } = perdure;
  const other = await TestClient.register(perdure.base);
  const [mine, theirs] = [await user.saveWorkflow(GRAPH), await other.saveWorkflow(GRAPH)];
  const [live, ended, kept] = [await user.start(mine), await user.start(mine), await other.start(theirs)];
  await Promise.all([user.until(live, ["waiting"]), user.until(ended, ["waiting"]), other.until(kept, ["waiting"])]);
  await approve(user, ended);
  await user.ended(ended);
  const [tenant, otherTenant] = [await tenantOf(live), await tenantOf(kept)];
  const { workflowService } = connection;
  const inTemporal = async (id: string) =>
    Number((await workflowService.countWorkflowExecutions({ namespace: perdure.namespace, query: `PerdureTenant = '${id}'` })).count);
  await until("Temporal's list", async () => (await inTemporal(tenant)) === 2);
  expect((await sql`select 1 from payload_blobs where tenant_id = ${tenant}`).length).toBeGreaterThan(0);

  const timing = { workflow_id: mine, interval_seconds: 86_400 };
  const [scheduled, others] = [await user.post("/api/v1/schedules", timing), await other.post("/api/v1/schedules", { ...timing, workflow_id: theirs })];
  // What it starts with is sealed: asked without opening it.
  const isScheduled = (id: string, each: string) =>
    workflowService.describeSchedule({ namespace: perdure.namespace, scheduleId: `${id}/${each}` }).then(
      () => true,
      () => false,
    );
  expect(await isScheduled(tenant, String(scheduled.body["id"]))).toBe(true);

  expect((await user.request("DELETE", "/api/v1/organization?confirm=wrong")).status).toBe(422);
  const { name } = (await user.get("/api/v1/organization")).body;
  expect((await user.request("DELETE", `/api/v1/organization?confirm=${encodeURIComponent(name as string)}`)).status).toBe(202);
  await until("the end of the erasure", async () => (await sql`select 1 from erasures`).length === 0, 60_000);

  const columns = await sql<{ table: string }[]>`
    select c.table_name as table from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
    where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.column_name = 'tenant_id'`;
  for (const { table } of columns) expect([table, (await sql.unsafe(`select 1 from "${table}" where tenant_id = '${tenant}'`)).length]).toEqual([table, 0]);
  expect(await inTemporal(tenant)).toBe(0);
  expect([await isScheduled(tenant, String(scheduled.body["id"])), await isScheduled(otherTenant, String(others.body["id"]))]).toEqual([false, true]);
  const { workflow } = new Client({ connection, namespace: perdure.namespace });
  await expect(workflow.getHandle(`${tenant}/${live}`).describe()).rejects.toMatchObject({ name: "WorkflowNotFoundError" });
  // Each api remembers a member for ten seconds.
  await until("nobody comes in", async () => (await user.get("/api/v1/workflows")).status === 401, 15_000);

  expect(await inTemporal(otherTenant)).toBe(1);
  await approve(other, kept);
  expect(await other.ended(kept)).toMatchObject({ status: "completed" });
});
