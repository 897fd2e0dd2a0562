import type { Caller } from "../client.ts";
import { followHub, type HubOptions, type HubTopic } from "../hub.ts";
import type { CallOptions, Transport } from "../transport.ts";

export type LiveResource = ReturnType<typeof liveOf>;

/** What happens now: events of runs, messages of members, and who watches (docs/live.md). */
export function liveOf({ call }: Caller, transport: Transport) {
  return {
    /** What is said on these topics, over connections that break. See `followHub` for what a break may cost. */
    follow: (topics: readonly (string | HubTopic)[], options: HubOptions = {}) =>
      followHub(
        { url: transport.url, retry: transport.retry, ticket: async (signal) => (await call("createStreamTicket", {}, signal ? { signal } : {})).ticket },
        topics,
        options,
      ),
    /** Sends a message to all who watch a topic at this moment. */
    publish: (topic: string, payload: unknown, options?: CallOptions) => call("publishMessage", { body: { topic, payload } }, options),
    watchers: (topic: string, options?: CallOptions) => call("listWatchers", { query: { topic } }, options),
    /** Opens one WebSocket, once, within 30 s. `follow` gets its own. */
    ticket: (options?: CallOptions) => call("createStreamTicket", {}, options),
  };
}
