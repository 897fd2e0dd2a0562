import { RETRY_DEFAULTS, type RetryOptions } from "./backoff.ts";
import { operations } from "./operations.gen.ts";
import type { AnyInput } from "./request.ts";
import { type Resources, resourcesOf } from "./resources.ts";
import { type SessionStore, memorySession } from "./session.ts";
import { type StreamOptions, followRun } from "./streaming.ts";
import { type CallOptions, Transport } from "./transport.ts";
import type { Data, Input, Item, PagedOperation, PlainOperation, Reply, RunEvent } from "./types.ts";

export interface ClientOptions {
  /** Of the API, without `/api/v1`. May have a path of its own, as behind a proxy. */
  readonly url: string;
  /** A token that somebody else looks after. Without one, `auth.login` signs in and the client renews what it was given. */
  readonly token?: string;
  /** Where the client keeps its tokens. @default in memory */
  readonly session?: SessionStore;
  readonly retry?: Partial<RetryOptions>;
  /** Of each attempt, in milliseconds; not of streams. Longer than `mode: "wait"` waits. @default 150 000 */
  readonly timeoutMs?: number;
  /** @default the global `fetch` */
  readonly fetch?: typeof globalThis.fetch;
}

const TIMEOUT_MS = 150_000;

/** An input may be left out where nothing in it is required. */
export type InputArguments<N extends PlainOperation, Options = CallOptions> =
  object extends Input<N> ? [input?: Input<N>, options?: Options] : [input: Input<N>, options?: Options];

/** Every operation of the contract, by operation id. */
export interface Caller {
  /** Calls an operation and gives what it answers. @throws ApiError, ConnectionError; TypeError where there is no such operation, or its path lacks a value */
  call<N extends PlainOperation>(name: N, ...args: InputArguments<N>): Promise<Data<N>>;
  /** As `call`, with status and headers (`etag`, `x-total-count` …). */
  send<N extends PlainOperation>(name: N, ...args: InputArguments<N>): Promise<Reply<N>>;
  /** The pages of a list; `limit` is the size of one. The next is asked for when it is wanted. */
  pages<N extends PagedOperation>(name: N, ...args: InputArguments<N>): AsyncGenerator<Data<N>, void, undefined>;
  /** The items of a list, over all pages. */
  list<N extends PagedOperation>(name: N, ...args: InputArguments<N>): AsyncGenerator<Item<N>, void, undefined>;
  /** The events of a run, over broken connections, each once, until its last. */
  stream(runId: string, options?: StreamOptions): AsyncGenerator<RunEvent, void, undefined>;
}

export interface Client extends Caller, Resources {}

/** A client of one API as one user. */
export function createClient(options: ClientOptions): Client {
  const transport = new Transport({
    url: options.url,
    // Browsers insist on being called as a function of the window.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    retry: { ...RETRY_DEFAULTS, ...options.retry },
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    credentials: options.token === undefined ? { store: options.session ?? memorySession() } : { token: options.token },
  });
  const caller = callerOf(transport);
  return { ...caller, ...resourcesOf(caller, transport) };
}

function callerOf(transport: Transport): Caller {
  const send = async <N extends PlainOperation>(name: N, input: unknown, options?: CallOptions): Promise<Reply<N>> => {
    if (!Object.hasOwn(operations, name)) throw new TypeError(`The API has no operation \`${name}\`. /openapi.json names them all (operationId).`);
    return (await transport.send(operations[name], (input ?? {}) as AnyInput, options)) as unknown as Reply<N>;
  };

  async function* pages<N extends PagedOperation>(name: N, input: AnyInput = {}, options?: CallOptions): AsyncGenerator<Data<N>, void, undefined> {
    let query: AnyInput["query"] = input.query;
    for (;;) {
      const reply = await send(name, { ...input, query }, options);
      yield reply.data as Data<N>;
      const next = nextQuery(reply.headers.get("link"));
      if (next === undefined) return;
      query = next;
    }
  }

  return {
    send: (name, ...[input, options]) => send(name, input, options),
    call: async <N extends PlainOperation>(name: N, ...[input, options]: InputArguments<N>) => (await send(name, input, options)).data as Data<N>,
    pages: (name, ...[input, options]) => pages(name, input as AnyInput, options),
    async *list(name, ...[input, options]) {
      for await (const page of pages(name, input as AnyInput, options)) yield* page as unknown as Iterable<Item<typeof name>>;
    },
    stream: (runId, options = {}) => followRun(transport, runId, options),
  };
}

/** What `Link: <…>; rel="next"` asks for. Only its query is taken: the token goes to no other address than before. */
function nextQuery(link: string | null): Record<string, string> | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(link ?? "")?.[1];
  if (target === undefined) return undefined;
  return Object.fromEntries(new URLSearchParams(target.slice(target.indexOf("?") + 1)));
}
