import { sql } from "drizzle-orm";
import type { TenantId } from "#core";
import type { Statements } from "../connection/sessions.ts";

/** Waits until no other transaction has the organization's turn of this name, and keeps it to the end: what is counted then is so still when a row is added. */
export async function takeTurn(db: Statements, name: string, tenant: TenantId, part = ""): Promise<void> {
  await db.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`${name} ${tenant} ${part}`}, 0))`);
}
