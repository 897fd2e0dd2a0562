/**
 * What Hono and postgres.js take for the SQL of the api's three commonest requests, and nothing else: no token, no schema, no compiler, no limits, no
 * log. The statements are those that db/queries sends, tenant and role included; transactions are pipelined as the driver offers it.
 */
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import type { AddressInfo } from "node:net";
import type { Server } from "node:http";
import postgres from "postgres";
import { uuidv7 } from "#core";

const { DATABASE_URL = "", DATABASE_POOL_SIZE = "10", TENANT = "", USER_ID = "" } = process.env;
const sql = postgres(DATABASE_URL, { max: Number(DATABASE_POOL_SIZE), fetch_types: false, onnotice: () => {} });
const app = new Hono();

const WORKFLOW =
  "workflows.id, workflows.name, workflows.description, workflows.tags, workflows.settings, workflows.is_public, workflows.version, workflows.published_version, workflows.created_by, workflows.created_at, workflows.updated_at";
const VERSION =
  "workflow_versions.version as number, workflow_versions.graph, workflow_versions.plan, workflow_versions.problems, workflow_versions.hash, workflow_versions.created_by as author, workflow_versions.created_at as saved_at";
const JOINED =
  "from workflows inner join workflow_versions on workflow_versions.tenant_id = workflows.tenant_id and workflow_versions.workflow_id = workflows.id and workflow_versions.version = workflows.version";

type Parameters = (string | number | null)[];

/** Role, tenant and all statements in one round trip. */
async function once(...statements: [string, Parameters][]): Promise<Record<string, unknown>[][]> {
  const results = await sql.begin((tx) => [
    tx.unsafe(`set local role perdure_app; set local perdure.tenant = '${TENANT}'`),
    ...statements.map(([text, parameters]) => tx.unsafe(text, parameters, { prepare: true })),
  ]);
  return results.slice(1) as unknown as Record<string, unknown>[][];
}

app.get("/workflows", async (c) => {
  const limit = Number(c.req.query("limit") ?? 50);
  const inOrder = "order by listed.position desc, listed.id desc";
  const [rows = [], counted = []] = await once(
    [
      `select * from (
         select listed.*, sum(listed.bytes) over (${inOrder}) as held, (row_number() over (${inOrder}))::integer as place, (count(*) over ())::integer as of from (
           select ${WORKFLOW}, workflow_versions.graph, to_char(workflows.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as position,
             coalesce(octet_length(workflow_versions.graph::text), 0) as bytes ${JOINED}
           where workflows.tenant_id = $1 and workflows.deleted_at is null order by workflows.created_at desc, workflows.id desc limit $2 offset $3) listed) measured
       where place <= $4 and (held <= $5 or place = 1) order by place`,
      [TENANT, limit + 1, 0, limit, 16 * 1024 * 1024],
    ],
    [
      "select count(*)::integer as total from (select 1 as one from workflows where workflows.tenant_id = $1 and workflows.deleted_at is null limit 10000) counted",
      [TENANT],
    ],
  );
  c.header("x-total-count", String(counted[0]?.["total"]));
  return c.json(rows);
});

app.get("/workflows/:id", async (c) => {
  const [[row] = []] = await once([
    `select ${WORKFLOW}, ${VERSION} ${JOINED} where workflows.tenant_id = $1 and workflows.id = $2 and workflows.deleted_at is null`,
    [TENANT, c.req.param("id")],
  ]);
  return row ? c.json(row) : c.notFound();
});

app.post("/workflows", async (c) => {
  const body = await c.req.json<{ name: string; flow_data: unknown }>();
  const id = uuidv7();
  const now = new Date().toISOString();
  const [workflow, version] = await sql.begin(async (tx) => {
    const opened = tx.unsafe(`set local role perdure_app; set local perdure.tenant = '${TENANT}'`);
    const [made] = await tx.unsafe(
      `insert into workflows (id, tenant_id, name, description, tags, settings, is_public, version, created_by) values ($1, $2, $3, '', '{}', '{}', false, 1, $4) returning ${WORKFLOW}`,
      [id, TENANT, body.name, USER_ID],
      { prepare: true },
    );
    await opened;
    const [saved] = await tx.unsafe(
      `insert into workflow_versions (tenant_id, workflow_id, version, graph, plan, problems, hash, created_by, credentials) values ($1, $2, 1, $3::text::jsonb, $3::text::jsonb, '[]', $4, $5, '{}') returning ${VERSION}`,
      [TENANT, id, JSON.stringify(body.flow_data), now, USER_ID],
      { prepare: true },
    );
    return [made, saved];
  });
  await once([
    `insert into audit_events (id, tenant_id, user_id, role, action, resource_type, resource_id, method, path, status, after, ip, user_agent, correlation_id)
     values ($1, $2, $3, 'admin', 'createWorkflow', 'workflow', $4, 'POST', '/api/v1/workflows', 201, $5::text::jsonb, '127.0.0.1', '', $6)`,
    [uuidv7(), TENANT, USER_ID, id, JSON.stringify({ id, name: body.name, description: "", tags: [], settings: {}, is_public: false, version: 1 }), now],
  ]);
  return c.json({ ...workflow, ...version }, 201);
});

const server = createAdaptorServer({ fetch: app.fetch }) as Server;
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${JSON.stringify({ listening: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })}\n`);
});
process.on("SIGTERM", () => process.exit(0));
