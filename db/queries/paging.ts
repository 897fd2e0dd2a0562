import { sql, type SQL } from "drizzle-orm";
import type { PgColumn, SubqueryWithSelection } from "drizzle-orm/pg-core";
import { isUuid, PerdureError } from "#core";
import type { Statements } from "../connection/sessions.ts";
import type { Page, Paged } from "../types.ts";

/** Newest first; `created_at` in full precision, since a JavaScript date would lose the microseconds that tell rows apart. */
interface Position {
  createdAt: string;
  id: string;
}

/** Totals are counted up to this number and no further, so that a list stays cheap however long it is. */
export const TOTAL_COUNTED_TO = 10_000;

/** The sort key as text, to be selected beside the row. */
export const positionOf = (createdAt: PgColumn) => sql<string>`to_char(${createdAt} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

function encodeCursor(position: Position): string {
  return Buffer.from(`${position.createdAt} ${position.id}`).toString("base64url");
}

/** @throws PerdureError `request.malformed`. */
function decodeCursor(cursor: string): Position {
  const [createdAt = "", id = ""] = Buffer.from(cursor, "base64url").toString("utf8").split(" ");
  if (!isUuid(id) || !/^\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(createdAt)) throw new PerdureError("request.malformed", "The cursor is not one that this list gave out.");
  return { createdAt, id };
}

/** The rows behind the cursor. */
export function behind(cursor: string | undefined, createdAt: PgColumn, id: PgColumn): SQL | undefined {
  if (cursor === undefined) return undefined;
  const position = decodeCursor(cursor);
  return sql`(${createdAt}, ${id}) < (${position.createdAt}::timestamptz, ${position.id}::uuid)`;
}

/** A page of rows that were asked for with one more than the limit. */
export function toPage<R, T>(rows: R[], page: Page, total: number, position: (row: R) => Position, map: (row: R) => T): Paged<T> {
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  return { rows: shown.map(map), total, nextCursor: rows.length > page.limit && last !== undefined ? encodeCursor(position(last)) : undefined };
}

/** The number of rows of a subquery, which limits itself to `TOTAL_COUNTED_TO`. */
export function countOf(db: Statements, rows: SubqueryWithSelection<{ one: SQL.Aliased }, "counted">) {
  return db.select({ total: sql<number>`count(*)::integer` }).from(rows);
}
