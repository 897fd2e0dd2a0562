import type { Caller } from "../client.ts";
import type { CallOptions } from "../transport.ts";
import type { QueryOf } from "../types.ts";

export type AnalyticsResource = ReturnType<typeof analyticsOf>;

/** How runs and nodes of the organization did. */
export function analyticsOf({ call }: Caller) {
  return {
    runs: (query: QueryOf<"runAnalytics"> = {}, options?: CallOptions) => call("runAnalytics", { query }, options),
    nodes: (query: QueryOf<"nodeAnalytics"> = {}, options?: CallOptions) => call("nodeAnalytics", { query }, options),
    /** Who is queued and what runs now. */
    queue: (options?: CallOptions) => call("getQueue", {}, options),
    /** Circuit breakers, of which the open ones let nothing through. */
    circuits: (options?: CallOptions) => call("listCircuits", {}, options),
  };
}
