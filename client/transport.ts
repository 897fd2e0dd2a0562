import { type RetryOptions, delayAfter, sleep } from "./backoff.ts";
import { ApiError, ConnectionError, readApiError } from "./errors.ts";
import { type AnyInput, type Operation, bodyOf, headersOf, newKey, urlOf } from "./request.ts";
import { type IssuedTokens, Session, type SessionStore } from "./session.ts";

export interface CallOptions {
  /** Gives up; the call throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Names what is asked for, so that asking again does it once: 200 characters at most. Made by the client where it is left out. */
  readonly idempotencyKey?: string;
  /** Of each attempt, in milliseconds. @default the client's `timeoutMs` */
  readonly timeoutMs?: number;
}

export interface TransportOptions {
  readonly url: string;
  readonly fetch: typeof globalThis.fetch;
  readonly retry: RetryOptions;
  readonly timeoutMs: number;
  readonly credentials: { readonly token: string } | { readonly store: SessionStore };
}

/** How an answer is read: within the attempt, since it may break off half-way. */
type Read<T> = (response: Response) => Promise<T>;

const JSON_TYPE = "application/json";
const EVENTS_TYPE = "text/event-stream";
/** Busy or away, said by the API or by a proxy before it. */
const TRANSIENT: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const REFRESH: Operation = { method: "POST", path: "/api/v1/auth/refresh", isPublic: true, hasBody: true };

/** Sends requests: with the token, again where that is safe, and as errors where they were refused. */
export class Transport {
  readonly session: Session | undefined;
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#options = options;
    const { credentials } = options;
    this.session = "store" in credentials ? new Session(credentials.store, (token, organizationId) => this.#refresh(token, organizationId)) : undefined;
  }

  /** The answer of an operation that does not stream: parsed JSON, text of another type, undefined where it has no body. */
  send(operation: Operation, input: AnyInput, options: CallOptions = {}): Promise<{ status: number; data: unknown; headers: Headers }> {
    const { timeoutMs = this.#options.timeoutMs } = options;
    return this.#attempts(operation, input, { ...options, timeoutMs }, JSON_TYPE, async (response) => {
      const { status, headers } = response;
      return { status, headers, data: await readBody(response) };
    });
  }

  /** The answer of an operation that streams, once it has begun; what becomes of its body is the caller's. */
  open(operation: Operation, input: AnyInput, options: CallOptions = {}, type = EVENTS_TYPE): Promise<Response> {
    return this.#attempts(operation, input, options, type, (response) => Promise.resolve(response));
  }

  /** Of the API, as it was given. */
  get url(): string {
    return this.#options.url;
  }

  /** How the client tries again. */
  get retry(): RetryOptions {
    return this.#options.retry;
  }

  /** Never sent again: the server may have taken the refresh token although no answer came, and a second use signs the user out. */
  async #refresh(refreshToken: string, organizationId: string | undefined): Promise<IssuedTokens> {
    const { timeoutMs } = this.#options;
    const read: Read<unknown> = (response) => readBody(response);
    const body = { refresh_token: refreshToken, ...(organizationId !== undefined && { organization_id: organizationId }) };
    const response = await this.#once(REFRESH, { body }, { timeoutMs }, JSON_TYPE, undefined, undefined, read);
    if (response instanceof ApiError) throw response;
    return response.value as IssuedTokens;
  }

  async #attempts<T>(operation: Operation, input: AnyInput, options: CallOptions, accept: string, read: Read<T>): Promise<T> {
    const { retry } = this.#options;
    const key = operation.takesKey ? (options.idempotencyKey ?? newKey()) : undefined;
    const isSafe = operation.method === "GET" || key !== undefined;
    let renewed = false;
    for (let attempt = 1; ; attempt++) {
      const token = operation.isPublic ? undefined : await this.#token();
      let failure: ApiError | ConnectionError;
      try {
        const answer = await this.#once(operation, input, options, accept, token, key, read);
        if (!(answer instanceof ApiError)) return answer.value;
        failure = answer;
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error;
        failure = error;
      }
      if (failure instanceof ApiError && failure.status === 401 && token !== undefined && this.session && !renewed) {
        renewed = true;
        // A refused request has done nothing: it may be sent again, whatever it is.
        if ((await this.session.renewed(token)) !== undefined) continue;
      }
      if (!isSafe || attempt >= retry.attempts || !isTransient(failure)) throw failure;
      const asked = failure instanceof ApiError ? failure.retryAfterMs : undefined;
      if (asked !== undefined && asked > retry.maxRetryAfterMs) throw failure;
      await sleep(delayAfter(attempt, retry, asked), options.signal);
    }
  }

  async #token(): Promise<string | undefined> {
    const { credentials } = this.#options;
    return "token" in credentials ? credentials.token : this.session?.accessToken();
  }

  async #once<T>(
    operation: Operation,
    input: AnyInput,
    { signal, timeoutMs }: CallOptions,
    accept: string,
    token: string | undefined,
    key: string | undefined,
    read: Read<T>,
  ): Promise<{ value: T } | ApiError> {
    signal?.throwIfAborted();
    const url = urlOf(this.#options.url, operation, input);
    const headers = headersOf(operation, input, { accept, ...(token !== undefined && { token }), ...(key !== undefined && { key }) });
    const body = bodyOf(operation, input);
    const timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    const signals = [signal, timeout].filter((each) => each !== undefined);
    try {
      const response = await this.#options.fetch(url, {
        method: operation.method,
        headers,
        // A redirect would turn a POST into a GET.
        redirect: "error",
        ...(body !== undefined && { body }),
        ...(signals.length > 0 && { signal: AbortSignal.any(signals) }),
      });
      return response.ok ? { value: await read(response) } : await readApiError(response);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof ApiError) throw error;
      const why = timeout?.aborted ? `No answer came within ${timeoutMs} ms` : "No answer came";
      throw new ConnectionError(`${why}: ${operation.method} ${url.split("?")[0]}`, { cause: error });
    }
  }
}

/** Asking again may help. */
export function isTransient(failure: unknown): failure is ApiError | ConnectionError {
  return failure instanceof ConnectionError || (failure instanceof ApiError && TRANSIENT.has(failure.status));
}

async function readBody(response: Response): Promise<unknown> {
  if (response.status === 204) return undefined;
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith(EVENTS_TYPE)) {
    await response.body?.cancel();
    throw unexpected(response.status, "The answer is a stream of events: use `stream`.");
  }
  const text = await response.text();
  if (!type.startsWith(JSON_TYPE)) {
    if (type.includes("yaml")) return text;
    throw unexpected(response.status, `The answer is ${type === "" ? "of no type" : type.split(";")[0]}, not JSON. Is the address that of the API?`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw unexpected(response.status, "The answer is not the JSON it says it is.");
  }
}

function unexpected(status: number, message: string): ApiError {
  return new ApiError({ status, code: "http.unexpected_answer", message });
}
