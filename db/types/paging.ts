/** One page. Its rows may be fewer than `limit` where they hold much; `nextCursor` tells whether there are more. */
export interface Page {
  limit: number;
  /** Opaque to callers: the sort key and id of the last row seen. */
  cursor?: string;
  offset?: number;
}

export interface Paged<T> {
  rows: T[];
  nextCursor: string | undefined;
  total: number;
}
