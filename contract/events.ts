import { z } from "@hono/zod-openapi";
import { EVENT_KINDS } from "#core";
import { id, timestamp } from "./values.ts";

/** A fact of a run, the same in `GET …/events` and as `data:` of a stream, whose `id:` is `seq` and whose `event:` is `kind`. */
export const runEvent = z
  .looseObject({
    seq: z.int().openapi({ description: "1, 2, 3 … within the run, without gaps. Give the last one seen as `Last-Event-ID` or `after` to go on from there." }),
    kind: z.enum(EVENT_KINDS),
    run_id: id,
    at: timestamp,
    node_id: z.string().optional(),
    iteration: z.string().optional(),
    attempt: z.int().optional(),
  })
  .openapi("RunEvent");

/** Comments are sent this often on a stream on which nothing happens, so that proxies keep it open. */
export const STREAM_COMMENT_INTERVAL_MS = 15_000;
/** What a client is told to wait before it connects again. */
export const STREAM_RETRY_MS = 1_000;

/** Each event of a stream, its fields as an EventSource has them. */
const streamEvent = z
  .object({
    id: z.string().openapi({ description: "`seq` of the event.", example: "7" }),
    event: z.enum(EVENT_KINDS),
    data: z.string().openapi({ description: "A `RunEvent` as JSON." }),
  })
  .openapi("StreamEvent");

export const eventStream = {
  description: "Server-sent events: `id: <seq>`, `event: <kind>`, `data: <RunEvent as JSON>`. Closes after `workflow_complete` or `error`.",
  content: { "text/event-stream": { schema: streamEvent } },
};
