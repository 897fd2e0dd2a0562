import { PgDialect } from "drizzle-orm/pg-core";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RETENTION_KIND_NAMES, tenantId } from "#core";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";
import { SWEEPABLE } from "../../db/queries/sweepable.ts";

/** Tables with an organization and a time that no retention is asked for, and why. A new one goes here or into `db/queries/sweepable.ts`. */
const DO_NOT_AGE: Readonly<Record<string, string>> = {
  api_keys: "people make them, a few; what was revoked says who could do what",
  approvals: "what people decided in a run, shown with it: runs are kept",
  bulk_items: "what became of each run of an operation, shown with it",
  bulk_jobs: "operations that people asked for",
  circuits: "of workers that are gone they are deleted when others look (circuits.ts), after `expires_at`",
  commands: "what people told a run, shown with it; also what finds a repeat of it",
  credentials: "people make them, and delete them",
  custom_node_versions: "graphs and open runs name a version",
  custom_nodes: "people make them; graphs name them",
  erasures: "a job; it goes with the organization",
  invitations: "people make them; they say who let whom in",
  live_presence: "expired ones are deleted by whoever looks after the hub (live.ts)",
  memberships: "who belongs to the organization",
  node_cache: "expired ones are deleted by the workers (node-cache.ts)",
  payload_keys: "without them nothing that is sealed can be read",
  refresh_tokens: "expired ones go when their session is renewed; the last ones say how a session ended",
  run_slots: "of runs that are open; they go with the end (admit_runs)",
  runs: "what retention leaves of a run: inputs, outputs, how it ended",
  schedules: "people make them; a deleted one is named by its firings",
  stream_tickets: "expired ones are deleted when one is made (live.ts)",
  variables: "people make them, and delete them",
  webhooks: "people make them; a deleted one is named by its deliveries, and keeps saving from bringing it back",
  workflow_versions: "runs and retries name a version",
  workflows: "people make them; runs name them",
};

let database: TestDatabase;
let sql: postgres.Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
});
afterAll(async () => {
  await sql?.end();
  await database?.drop();
});

interface PlanNode {
  Operation?: string;
  "Relation Name"?: string;
  Plans?: PlanNode[];
}

function deletedFrom({ Operation: operation, "Relation Name": table, Plans: plans = [] }: PlanNode): string[] {
  return [...(operation === "Delete" && table !== undefined ? [table] : []), ...plans.flatMap(deletedFrom)];
}

/** Tables from which the statements of the registry delete, as PostgreSQL reads them. */
async function aging(): Promise<string[]> {
  const tables: string[] = [];
  for (const kind of RETENTION_KIND_NAMES) {
    const { sql: text, params } = new PgDialect().sqlToQuery(SWEEPABLE[kind].sweep(tenantId("00000000-0000-4000-8000-000000000000"), 40, 10));
    const [row] = await sql.unsafe<{ "QUERY PLAN": { Plan: PlanNode }[] }[]>(`explain (format json) ${text}`, params as string[]);
    const found = row?.["QUERY PLAN"].flatMap(({ Plan }) => deletedFrom(Plan)) ?? [];
    expect([kind, found.length > 0]).toEqual([kind, true]);
    tables.push(...found);
  }
  return tables;
}

test("K4: When a table has an organization and a time, then what is in it ages, or is written down as what does not, with the reason", async () => {
  const rows = await sql<{ name: string }[]>`
    select c.table_name as name from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
    where c.table_schema = 'public' and t.table_type = 'BASE TABLE'
    group by 1 having bool_or(c.column_name = 'tenant_id' or c.column_name like 'organization%') and bool_or(c.data_type like 'timestamp%' or c.data_type = 'date')`;
  expect([...(await aging()), ...Object.keys(DO_NOT_AGE)].toSorted()).toEqual(rows.map(({ name }) => name).toSorted());
});
