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
