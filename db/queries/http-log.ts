import { sql, type SQL } from "drizzle-orm";
import { type FailureValue, isUuid, type NodeStatus, type TenantId } from "#core";
import type { Sessions } from "../connection/sessions.ts";
import type { HttpLog, HttpLogFilter, LoggedHttpRequest } from "../types/index.ts";
import { decodeKey, encodeKey, TOTAL_COUNTED_TO } from "./paging.ts";

/** Longer than what browsers and servers take. */
const LOGGED_URL_MAX = 8_192;
const METHOD_MAX = 20;

/** Where a row stands in the list. */
interface Key {
  /** In microseconds since 1970: a JavaScript date would lose what tells rows apart. */
  startedAt: number;
  runId: string;
  nodeId: string;
  iteration: string;
}

interface Listed {
  started_us: number;
  run_id: string;
  node_id: string;
  iteration: string;
  workflow_id: string | null;
  workflow_name: string;
  name: string;
  status: NodeStatus;
  attempt: number;
  method: string | null;
  url: string | null;
  answered: number | null;
  error: string | null;
  completed_ms: number | null;
  duration_ms: number | null;
}

/** The condition of the index is part of it. */
function wanted(tenant: TenantId, { workflowId, nodeId, from, to }: HttpLogFilter): SQL {
  return sql`n.tenant_id = ${tenant} and n.type = 'HttpRequest' and n.started_at is not null
    ${workflowId === undefined ? sql`` : sql`and n.run_id in (select r.id from runs r where r.tenant_id = ${tenant} and r.workflow_id = ${workflowId})`}
    ${nodeId === undefined ? sql`` : sql`and n.node_id = ${nodeId}`}
    ${from === undefined ? sql`` : sql`and n.started_at >= ${from}::timestamptz`}
    ${to === undefined ? sql`` : sql`and n.started_at < ${to}::timestamptz`}`;
}

export function createHttpLog(sessions: Sessions): HttpLog {
  return {
    async list(tenant, filter, { limit, cursor, offset = 0 }) {
      const before = cursor === undefined ? sql`` : sql`and ${behind(decodeKey(cursor, readKey))}`;
      // Inputs and outputs are read of the rows of the page alone.
      const [listed, [counted]] = await sessions.onceAll(tenant, (db) => [
        db.execute<Listed & Record<string, unknown>>(sql`
          with page as materialized (
            select n.run_id, n.node_id, n.iteration, n.started_at from node_executions n
            where ${wanted(tenant, filter)} ${before}
            order by n.started_at desc, n.run_id desc, n.node_id desc, n.iteration desc limit ${limit + 1} offset ${offset}
          )
          select p.run_id, p.node_id, p.iteration, r.workflow_id, r.workflow_name, n.name, n.status, n.attempt,
            round(extract(epoch from p.started_at) * 1000000)::float8 as started_us,
            left(n.input ->> 'method', ${METHOD_MAX}) as method, left(n.input ->> 'url', ${LOGGED_URL_MAX}) as url,
            case when jsonb_typeof(n.output -> 'status') = 'number' then (n.output ->> 'status')::float8 end as answered,
            n.error, (extract(epoch from n.completed_at) * 1000)::float8 as completed_ms, n.duration_ms::float8 as duration_ms
          from page p join runs r on r.tenant_id = ${tenant} and r.id = p.run_id
          join node_executions n on n.tenant_id = ${tenant} and n.run_id = p.run_id and n.node_id = p.node_id and n.iteration = p.iteration
          order by p.started_at desc, p.run_id desc, p.node_id desc, p.iteration desc`),
        db.execute<{ total: number }>(sql`
          select count(*)::integer as total from (
            select from node_executions n where ${wanted(tenant, filter)} limit ${TOTAL_COUNTED_TO}) counted`),
      ]);
      const chosen = listed.slice(0, limit);
      const last = chosen.at(-1);
      return {
        rows: chosen.map(toLogged),
        total: counted?.total ?? 0,
        nextCursor: last && listed.length > limit ? encodeKey([last.started_us, last.run_id, last.node_id, last.iteration]) : undefined,
      };
    },
  };
}

function behind({ startedAt, runId, nodeId, iteration }: Key): SQL {
  const moment = sql`'1970-01-01T00:00:00Z'::timestamptz + ${startedAt}::float8 * interval '1 microsecond'`;
  return sql`(n.started_at, n.run_id, n.node_id, n.iteration) < (${moment}, ${runId}::uuid, ${nodeId}::text, ${iteration}::text)`;
}

/** Of the years that a JavaScript date and PostgreSQL both have. */
const LATEST_US = 253_402_300_799_000_000;

function readKey([startedAt, runId, nodeId, iteration]: readonly unknown[]): Key | undefined {
  const isMoment = typeof startedAt === "number" && Number.isInteger(startedAt) && Math.abs(startedAt) <= LATEST_US;
  if (!isMoment || typeof runId !== "string" || !isUuid(runId)) return undefined;
  if (typeof nodeId !== "string" || typeof iteration !== "string" || `${nodeId}${iteration}`.includes("\0")) return undefined;
  return { startedAt, runId, nodeId, iteration };
}

function toLogged(row: Listed): LoggedHttpRequest {
  return {
    runId: row.run_id,
    workflowId: row.workflow_id,
    workflowName: row.workflow_name,
    nodeId: row.node_id,
    name: row.name,
    iteration: row.iteration,
    status: row.status,
    attempt: row.attempt,
    method: row.method,
    url: row.url,
    answered: row.answered,
    error: row.error === null ? null : (JSON.parse(row.error) as FailureValue),
    startedAt: new Date(row.started_us / 1_000),
    completedAt: row.completed_ms === null ? null : new Date(row.completed_ms),
    durationMs: row.duration_ms,
  };
}
