import type postgres from "postgres";

/** The roles of db/migrations/0001_tenancy.sql. They belong to the cluster: several databases in it share them. */
export const ROLES = ["perdure_app", "perdure_system"] as const;

const ATTEMPTS = 20;
/** Another database's migration made or granted the same role meanwhile: duplicate_object, unique_violation, "tuple concurrently updated". */
const RACE_CODES = new Set(["42710", "23505", "XX000"]);

/**
 * Makes the roles that are missing and lets the present user take them on. Advisory locks do not reach across databases, so a race with
 * another database of the cluster is answered by looking again.
 */
export async function ensureRoles(sql: postgres.Sql): Promise<void> {
  for (const role of ROLES) {
    for (let attempt = 1; !(await canTakeOn(sql, role)); attempt++) {
      try {
        const [found] = await sql`select 1 from pg_roles where rolname = ${role}`;
        if (!found) await sql.unsafe(`create role ${role} nologin noinherit`);
        await sql.unsafe(`grant ${role} to current_user${(await knowsGrantOptions(sql)) ? " with inherit false, set true" : ""}`);
      } catch (error) {
        if (attempt >= ATTEMPTS || !RACE_CODES.has((error as { code?: string }).code ?? "")) throw error;
        await new Promise((resolve) => setTimeout(resolve, 10 + Math.random() * 40 * attempt));
      }
    }
  }
}

async function canTakeOn(sql: postgres.Sql, role: string): Promise<boolean> {
  try {
    await sql.unsafe(`begin; set local role ${role}; rollback`);
    return true;
  } catch {
    await sql.unsafe("rollback");
    return false;
  }
}

/** From PostgreSQL 16 on, who may take on a role need not have its rights (and its policies) all the time. */
async function knowsGrantOptions(sql: postgres.Sql): Promise<boolean> {
  const [server] = await sql<{ version: number }[]>`select current_setting('server_version_num')::int as version`;
  return (server?.version ?? 0) >= 160_000;
}
