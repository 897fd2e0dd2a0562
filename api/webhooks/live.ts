import type { TenantId } from "#core";
import type { Database, WebhookDelivery } from "#db";
import { isRefusal } from "../streams/sse.ts";
import { firstAbort } from "./first-abort.ts";
import { deliveryJson } from "./shown.ts";

/** Between two looks where nobody says that something came: a notification may be lost with its connection. */
const LOOK_MS = 2_000;
/** A comment keeps proxies from closing a quiet stream. */
const COMMENT_MS = 15_000;
/** Of one look; more come with the next. */
const PAGE = 100;
const SSE_HEADERS = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" } as const;

export interface LiveOptions {
  readonly db: Pick<Database, "webhooks" | "log">;
  readonly tenantId: TenantId;
  readonly webhookId: string;
  /** Said first. */
  readonly greeting: object;
  /** Any of them ends the stream. */
  readonly over: readonly AbortSignal[];
  /** Called again and again while the stream is open; a rejection with `auth.*` ends it. */
  reauthorize(): Promise<void>;
  readonly reauthorizeIntervalMs: number;
  /** The caller's standing could not be asked: the stream goes on. */
  onError(error: unknown): void;
}

/** Deliveries as they come and as they are answered, as server-sent events, from now on. */
export function liveDeliveries(options: LiveOptions): Response {
  return new Response(ReadableStream.from(lines(options)), { headers: SSE_HEADERS });
}

async function* lines({ db, tenantId, webhookId, greeting, over: endings, ...caller }: LiveOptions): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const say = (event: string, data: object): Uint8Array => encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  const { signal: over, release } = firstAbort(endings);
  let wake = (): void => undefined;
  let isStale = false;
  const listening = await db.log.listen((id) => {
    if (id !== webhookId) return;
    isStale = true;
    wake();
  });
  /** Shown before, by id, with whether they had been answered. */
  const shown = new Map<string, boolean>();
  const from = new Date();
  let spokenAt = Date.now();
  let confirmedAt = Date.now();
  try {
    yield say("listening", greeting);
    while (!over.aborted) {
      if (Date.now() - confirmedAt >= caller.reauthorizeIntervalMs) {
        if (!(await mayGoOn())) return yield encoder.encode(": not authorized any more\n\n");
        confirmedAt = Date.now();
      }
      isStale = false;
      for (const delivery of await news(from)) {
        spokenAt = Date.now();
        yield say("delivery", deliveryJson(delivery));
      }
      if (Date.now() - spokenAt >= COMMENT_MS) {
        spokenAt = Date.now();
        yield encoder.encode(":\n\n");
      }
      if (!isStale) await pause(Math.min(LOOK_MS, Math.max(0, confirmedAt + caller.reauthorizeIntervalMs - Date.now())));
    }
  } finally {
    release();
    await listening.close();
  }

  async function news(since: Date): Promise<WebhookDelivery[]> {
    const { rows } = await db.webhooks.deliveries(tenantId, webhookId, { from: since }, { limit: PAGE });
    const fresh = rows.toReversed().filter(({ id, responseStatus }) => shown.get(id) !== (responseStatus !== null));
    for (const { id, responseStatus } of fresh) shown.set(id, responseStatus !== null);
    return fresh;
  }

  async function mayGoOn(): Promise<boolean> {
    try {
      await caller.reauthorize();
      return true;
    } catch (error) {
      if (isRefusal(error)) return false;
      caller.onError(error);
      return true;
    }
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        over.removeEventListener("abort", end);
        wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(end, ms);
      over.addEventListener("abort", end, { once: true });
      wake = end;
    });
  }
}
