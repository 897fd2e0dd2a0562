import { delayAfter, type RetryOptions, sleep } from "./backoff.ts";
import { ApiError, ConnectionError } from "./errors.ts";
import { framesOf, HubClosed, type HubFrame } from "./hub-socket.ts";
import { HubPositions } from "./hub-positions.ts";
import { isTransient } from "./transport.ts";
import type { RunEvent } from "./types.ts";

/** What is wanted of a topic, which is `run:<id>`, `workflow:<id>`, `organization`, `user`, or a channel of one's own. */
export interface HubTopic {
  readonly topic: string;
  /** Of `run:` the number of the last event that is known; of topics about many runs that of each run, by its id. */
  readonly after?: number | Readonly<Record<string, number>>;
  /** Of topics about many runs: also the runs that began from then on, ISO 8601. */
  readonly since?: string;
  /** Kinds of events. @default all */
  readonly events?: readonly string[];
  /** CEL over the event, such as `event.error.code == 'upstream.rate_limited'`. */
  readonly where?: string;
  /** Also who comes and goes. @default false */
  readonly presence?: boolean;
}

export type HubMessage =
  | { readonly type: "Event"; readonly data: RunEvent & { readonly id: number; readonly topic: string; readonly workflow_id?: string | null } }
  | {
      readonly type: "Broadcast";
      readonly data: { readonly topic: string; readonly payload: unknown; readonly id: string; readonly from: string; readonly at: string };
    }
  | { readonly type: "Presence"; readonly data: { readonly topic: string } & Readonly<Record<string, unknown>> }
  /** The run of the topic has ended; all of it was said. */
  | { readonly type: "Ended"; readonly data: { readonly topic: string } }
  /** What is kept nowhere is dropped from here on, since it is read too slowly; until `CaughtUp`. */
  | { readonly type: "Lagging"; readonly data: Readonly<Record<string, never>> }
  | { readonly type: "CaughtUp"; readonly data: { readonly dropped?: Readonly<Record<string, number>> } };

export interface HubOptions {
  readonly signal?: AbortSignal;
  /** A connection on which nothing came for so long is given up for another. @default 45 000 */
  readonly silenceMs?: number;
  /** How long an API that stays away is tried for once the connection has broken. @default 300 000 */
  readonly patienceMs?: number;
}

export interface HubAccess {
  /** Of the API. */
  readonly url: string;
  readonly retry: RetryOptions;
  /** For one connection; renews the session where it must. */
  ticket(signal: AbortSignal | undefined): Promise<string>;
}

const SILENCE_MS = 45_000;
const PATIENCE_MS = 300_000;
const SUBSCRIBE_ID = "subscribe";
const SHOWN: ReadonlySet<string> = new Set(["Event", "Broadcast", "Presence", "Ended", "Lagging", "CaughtUp"] satisfies HubMessage["type"][]);
/** Connecting again would end in the same. */
const FINAL_CODES: Readonly<Record<number, number>> = { 1009: 413, 4403: 403, 4404: 404 };

/**
 * What is said on topics of the hub, until every topic has ended (only those of runs do) or the signal is aborted. Over connections that break: the events of a
 * `run:` topic come each once and in order; of topics about many runs, those of runs that had said something before, or begin meanwhile; messages of members and
 * presence are kept nowhere, and those of a break are missed.
 * @throws ApiError where a topic may not be watched; ConnectionError where the API does not answer at first, or stays away for `patienceMs` later.
 */
export async function* followHub(access: HubAccess, topics: readonly (string | HubTopic)[], options: HubOptions): AsyncGenerator<HubMessage, void, undefined> {
  const { signal, silenceMs = SILENCE_MS, patienceMs = PATIENCE_MS } = options;
  const positions = new HubPositions(topics.map((each) => (typeof each === "string" ? { topic: each } : each)));
  let brokeAt: number | undefined;
  for (let fruitless = 0; positions.size > 0;) {
    let heard = false;
    let failure: Error;
    try {
      const url = addressOf(access.url, await access.ticket(signal));
      for await (const frame of framesOf(url, { type: "Subscribe", id: SUBSCRIBE_ID, data: { topics: positions.wanted() } }, silenceMs, signal)) {
        refuse(frame);
        heard ||= frame.type === "Subscribed";
        positions.heard();
        if (!SHOWN.has(frame.type)) continue;
        const message = frame as unknown as HubMessage;
        if (!positions.isNew(message)) continue;
        yield message;
        if (positions.size === 0) return;
      }
      failure = new ConnectionError("The connection ended.");
    } catch (error) {
      if (error instanceof HubClosed && error.code in FINAL_CODES) {
        throw new ApiError({ status: FINAL_CODES[error.code] ?? 400, code: `http.${FINAL_CODES[error.code]}`, message: error.message });
      }
      if (!isTransient(error) || (brokeAt === undefined && !heard)) throw error;
      failure = error;
    }
    fruitless = heard ? 0 : fruitless + 1;
    if (heard) brokeAt = Date.now();
    else if (Date.now() - (brokeAt ?? 0) >= patienceMs) throw failure;
    await sleep(delayAfter(fruitless + 1, access.retry), signal);
  }
}

function addressOf(base: string, ticket: string): string {
  return `${base.replace(/\/+$/, "").replace(/^http/, "ws")}/ws?ticket=${encodeURIComponent(ticket)}`;
}

/** @throws ApiError for the answer to our subscription, where a topic was refused. */
function refuse({ type, id, data }: HubFrame): void {
  if (type !== "Error" || id !== SUBSCRIBE_ID) return;
  const { status, code, message, topic } = data;
  const about = typeof topic === "string" ? `${topic}: ` : "";
  throw new ApiError({ status: Number(status), code: String(code), message: `${about}${String(message)}` });
}
