import type { RunEvent } from "#core";
import type { StoredEvent } from "#runs";

/** An event as it goes over the wire: the fact's own data, flat, beside what every event carries. */
export function eventJson({
  seq,
  kind,
  run_id,
  at,
  node_id,
  iteration,
  attempt,
  data,
}: StoredEvent): Pick<RunEvent, "kind" | "run_id" | "at"> & { seq: number } {
  return {
    ...data,
    seq,
    kind,
    run_id,
    at,
    ...(node_id !== undefined && { node_id }),
    ...(iteration !== undefined && { iteration }),
    ...(attempt !== undefined && { attempt }),
  };
}
