import { PerdureError } from "#core";
import type { Page, Paged } from "#db";
import type { ApiContext } from "./context.ts";

export interface PageQuery {
  limit: number;
  cursor?: string | undefined;
  offset?: number | undefined;
  /** Another documented name of `offset`. */
  skip?: number | undefined;
}

export function toPage({ limit, cursor, offset, skip }: PageQuery): Page {
  const start = offset ?? skip;
  return { limit, ...(cursor !== undefined && { cursor }), ...(cursor === undefined && start !== undefined && { offset: start }) };
}

/** `Link` to the next page, with the caller's own path and filters, and `X-Total-Count`. */
export function pageHeadersOf(c: ApiContext, { nextCursor, total }: Pick<Paged<unknown>, "nextCursor" | "total">): Record<string, string> {
  const count = { "x-total-count": String(total) };
  if (nextCursor === undefined) return count;
  const query = new URLSearchParams(new URL(c.req.url).search);
  query.delete("offset");
  query.delete("skip");
  query.set("cursor", nextCursor);
  return { ...count, link: `<${c.req.path}?${query.toString()}>; rel="next"` };
}

/**
 * A page of a list that is in memory, where it has no order but its own: the cursor is a place in it.
 * @throws PerdureError `request.malformed` for a cursor that this list cannot have given.
 */
export function listPage<T>(rows: readonly T[], query: PageQuery): Paged<T> {
  const { limit, cursor, offset } = toPage(query);
  const start = cursor === undefined ? (offset ?? 0) : Number(/^at-(\d{1,7})$/.exec(cursor)?.[1]);
  if (Number.isNaN(start)) throw new PerdureError("request.malformed", "The cursor is not one that this list gave out.");
  const end = start + limit;
  return { rows: rows.slice(start, end), total: rows.length, nextCursor: end < rows.length ? `at-${end}` : undefined };
}
