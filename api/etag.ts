import { PerdureError } from "#core";

/** The `ETag` of a thing that counts its changes. */
export function etagOf({ revision }: { revision: number }): string {
  return `"${revision}"`;
}

/**
 * `"3"`, `W/"3"` and `3`; `*` and nothing ask for no check.
 * @throws PerdureError `precondition.failed` for what can be no `ETag` of ours.
 */
export function expectedRevision(ifMatch: string | undefined): number | undefined {
  if (ifMatch === undefined || ifMatch.trim() === "*") return undefined;
  const revision = /^(?:W\/)?"?(\d{1,9})"?$/.exec(ifMatch.trim())?.[1];
  if (revision === undefined) throw new PerdureError("precondition.failed", "If-Match does not name the state that is stored.");
  return Number(revision);
}
