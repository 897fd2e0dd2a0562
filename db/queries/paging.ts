import { asc, desc, sql, type SQL } from "drizzle-orm";
import type { PgColumn, PgTable, SubqueryWithSelection } from "drizzle-orm/pg-core";
import { isUuid, PerdureError } from "#core";
import type { Statements } from "../connection/sessions.ts";
import type { Page, Paged } from "../types/index.ts";

/** Newest first; `created_at` in full precision, since a JavaScript date would lose the microseconds that tell rows apart. */
interface Position {
  createdAt: string;
  id: string;
}

/** Totals are counted up to this number and no further, so that a list stays cheap however long it is. */
export const TOTAL_COUNTED_TO = 10_000;

const NOT_OURS = "The cursor is not one that this list gave out.";

/** The sort key as text, to be selected beside the row. */
export const positionOf = (createdAt: PgColumn) => sql<string>`to_char(${createdAt} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

function encodeCursor(position: Position): string {
  return Buffer.from(`${position.createdAt} ${position.id}`).toString("base64url");
}

/** @throws PerdureError `request.malformed`. */
function decodeCursor(cursor: string, isId: (text: string) => boolean): Position {
  const [createdAt = "", id = "", ...rest] = Buffer.from(cursor, "base64url").toString("utf8").split(" ");
  if (!isId(id) || !isTime(createdAt) || rest.length > 0) throw new PerdureError("request.malformed", NOT_OURS);
  return { createdAt, id };
}

/** A cursor of lists that have another order: numbers and texts. */
export const encodeKey = (key: readonly (string | number)[]): string => Buffer.from(JSON.stringify(key)).toString("base64url");

/** @throws PerdureError `request.malformed`, where the key is not one that `read` takes. */
export function decodeKey<T>(cursor: string, read: (key: readonly unknown[]) => T | undefined): T {
  const key = read(parsed(Buffer.from(cursor, "base64url").toString("utf8")));
  if (key === undefined) throw new PerdureError("request.malformed", NOT_OURS);
  return key;
}

/** Whether it can be the number of a version or an event. */
export const isSequence = (value: unknown): value is number => typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 2_147_483_647;

function parsed(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

/** Whether PostgreSQL takes it: a moment that exists, as `positionOf` writes it. There is no year 0. */
function isTime(text: string): boolean {
  if (!/^(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(text)) return false;
  const milliseconds = `${text.slice(0, -4)}Z`;
  const time = new Date(milliseconds);
  return !Number.isNaN(time.getTime()) && time.toISOString() === milliseconds;
}

/** The rows behind the cursor. `isTextId`: of rows whose ids are no UUIDs, what an id looks like. */
export function behind(cursor: string | undefined, createdAt: PgColumn, id: PgColumn, isTextId?: (text: string) => boolean): SQL | undefined {
  if (cursor === undefined) return undefined;
  const position = decodeCursor(cursor, isTextId ?? isUuid);
  return sql`(${createdAt}, ${id}) < (${position.createdAt}::timestamptz, ${isTextId ? sql`${position.id}::text` : sql`${position.id}::uuid`})`;
}

/** How a list is ordered, where callers may choose. `position` is selected beside the row, as text. */
export interface Order {
  by: SQL[];
  direction: SQL;
  position: SQL<string>;
  behind: SQL | undefined;
  cursorOf(last: { position: string; id: string }): string;
}

/**
 * @param order - Name of one of the columns, which are texts or times; `-` before it is the reverse.
 * @throws PerdureError `request.malformed` for a cursor of another order, or of no list.
 */
export function orderOf<C extends string>(order: C | `-${C}`, columns: Readonly<Record<C, PgColumn>>, id: PgColumn, cursor: string | undefined): Order {
  const isReverse = order.startsWith("-");
  const name = (isReverse ? order.slice(1) : order) as C;
  const column = columns[name];
  const isTimes = column.dataType === "date";
  const direction = isReverse ? desc : asc;
  return {
    by: [direction(column), direction(id)],
    direction: sql.raw(isReverse ? "desc" : "asc"),
    position: isTimes ? positionOf(column) : sql<string>`${column}`,
    behind: cursor === undefined ? undefined : beyond(cursor),
    cursorOf: (last) => encodeKey([order, last.position, last.id]),
  };

  function beyond(text: string): SQL {
    const { position, rowId } = decodeKey(text, ([of, at, row]) =>
      of === order && typeof at === "string" && typeof row === "string" && isUuid(row) && (!isTimes || isTime(at)) ? { position: at, rowId: row } : undefined,
    );
    const at = isTimes ? sql`${position}::timestamptz` : sql`${position}::text`;
    return sql`(${column}, ${id}) ${sql.raw(isReverse ? "<" : ">")} (${at}, ${rowId}::uuid)`;
  }
}

/** Length of what a row holds, as JSON text: as stored it may be a hundredth of that. */
export const bytesOf = (...columns: PgColumn[]) =>
  sql<number>`${sql.join(
    columns.map((column) => sql`coalesce(octet_length(${column}::text), 0)`),
    sql` + `,
  )}`;

/** Of rows that were listed with one more than the limit: those that fit into one answer, the first in any case. */
export function fitting<K extends { bytes: number }>(listed: readonly K[], limit: number, maxBytes: number): K[] {
  let held = 0;
  const end = listed.findIndex(({ bytes }, index) => (held += bytes) > maxBytes && index > 0);
  return listed.slice(0, Math.min(limit, end < 0 ? listed.length : end));
}

/** The page of rows that were listed with one more than the limit. `rowsOf` reads those that fit, so that no more than `maxBytes` are ever held. */
export async function toPage<R extends { id: string }>(
  page: Page,
  maxBytes: number,
  listed: readonly (Position & { bytes: number })[],
  total: number,
  rowsOf: (ids: string[]) => Promise<R[]>,
): Promise<Paged<R>>;
/** The same in an order of its own. */
export async function toPage<R extends { id: string }, P extends { id: string; bytes: number }>(
  page: Page,
  maxBytes: number,
  listed: readonly P[],
  total: number,
  rowsOf: (ids: string[]) => Promise<R[]>,
  cursorOf: (last: P) => string,
): Promise<Paged<R>>;
export async function toPage<R extends { id: string }>(
  { limit }: Page,
  maxBytes: number,
  listed: readonly { id: string; bytes: number }[],
  total: number,
  rowsOf: (ids: string[]) => Promise<R[]>,
  cursorOf: (last: never) => string = encodeCursor,
): Promise<Paged<R>> {
  const chosen = fitting(listed, limit, maxBytes);
  const last = chosen.at(-1);
  const found = new Map((last ? await rowsOf(chosen.map(({ id }) => id)) : []).map((row) => [row.id, row]));
  return {
    rows: chosen.flatMap(({ id }) => found.get(id) ?? []),
    total,
    nextCursor: last && listed.length > chosen.length ? cursorOf(last as never) : undefined,
  };
}

/** The number of rows of a table that a list is about, counted up to `TOTAL_COUNTED_TO`. */
export function countUpTo(db: Statements, table: PgTable, wanted: SQL | undefined) {
  return countOf(
    db,
    db
      .select({ one: sql`1`.as("one") })
      .from(table)
      .where(wanted)
      .limit(TOTAL_COUNTED_TO)
      .as("counted"),
  );
}

/** The number of rows of a subquery, which limits itself. */
export function countOf(db: Statements, rows: SubqueryWithSelection<{ one: SQL.Aliased }, "counted">) {
  return db.select({ total: sql<number>`count(*)::integer` }).from(rows);
}
