/** What a failure says of an answer with a status of 400 or more; without the query, which may hold secrets. */
export function refusalText(method: string, url: URL, status: number, excerpt: string): string {
  return `${method} ${url.origin}${url.pathname} answered ${status}${excerpt ? `: ${excerpt}` : "."}`;
}

/** The status in such a text, as stored with the node; undefined where the failure was another one. */
export function refusedStatus(message: string): number | undefined {
  const status = /^[A-Z]+ \S.*? answered ([1-9]\d\d)[.:]/.exec(message)?.[1];
  return status === undefined ? undefined : Number(status);
}
