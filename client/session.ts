import { ApiError } from "./errors.ts";

/** What signing in gave, as it is kept. */
export interface SessionTokens {
  readonly access_token: string;
  readonly refresh_token: string;
  /** Milliseconds since 1970 by this machine's clock. */
  readonly expires_at: number;
}

/**
 * Where a client keeps its tokens. A refresh token is good for one use: where several clients share a store, in processes or tabs of a
 * browser, `exclusive` must let one at a time do its work, or the server takes the second use for theft and signs all of them out.
 */
export interface SessionStore {
  load(): SessionTokens | undefined | Promise<SessionTokens | undefined>;
  save(tokens: SessionTokens | undefined): void | Promise<void>;
  exclusive?<T>(work: () => Promise<T>): Promise<T>;
}

/** Tokens for as long as the client lives. */
export function memorySession(tokens?: SessionTokens): SessionStore {
  let kept = tokens;
  return {
    load: () => kept,
    save: (given) => {
      kept = given;
    },
  };
}

/** An access token this near to its end is renewed before it is used. */
const RENEW_BEFORE_MS = 30_000;

export interface IssuedTokens {
  access_token: string;
  refresh_token: string;
  /** Seconds. */
  expires_in: number;
}

/** Hands out the access token and renews it, once for all that wait for it. */
export class Session {
  readonly #store: SessionStore;
  readonly #renew: (refreshToken: string, organizationId?: string) => Promise<IssuedTokens>;
  #renewal: Promise<string | undefined> | undefined;

  constructor(store: SessionStore, renew: (refreshToken: string, organizationId?: string) => Promise<IssuedTokens>) {
    this.#store = store;
    this.#renew = renew;
  }

  async accessToken(): Promise<string | undefined> {
    const tokens = await this.#store.load();
    if (tokens && tokens.expires_at - Date.now() < RENEW_BEFORE_MS) return this.renewed(tokens.access_token);
    return tokens?.access_token;
  }

  /**
   * An access token other than this one, which is near its end or was refused; undefined where nobody is signed in any more.
   * @throws ApiError 401 where the server does not take the refresh token; the session has ended then.
   */
  renewed(refused: string): Promise<string | undefined> {
    this.#renewal ??= this.#exclusive(() => this.#renewOnce(refused)).finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  /** Renews for another organization. Calls that need a new token meanwhile wait for it. @throws ApiError 401 where nobody is signed in, 404 where it is none of theirs. */
  async switchTo(organizationId: string): Promise<void> {
    while (this.#renewal) await this.#renewal.catch(() => undefined);
    this.#renewal = this.#exclusive(async () => this.#exchange((await this.#store.load())?.refresh_token, organizationId)).finally(() => {
      this.#renewal = undefined;
    });
    await this.#renewal;
  }

  async refreshToken(): Promise<string | undefined> {
    return (await this.#store.load())?.refresh_token;
  }

  async keep(issued: IssuedTokens): Promise<void> {
    await this.#store.save({
      access_token: issued.access_token,
      refresh_token: issued.refresh_token,
      expires_at: Date.now() + issued.expires_in * 1000,
    });
  }

  async end(): Promise<void> {
    await this.#store.save(undefined);
  }

  async #renewOnce(refused: string): Promise<string | undefined> {
    const tokens = await this.#store.load();
    // Another one that shares the store was faster.
    if (tokens?.access_token !== refused) return tokens?.access_token;
    return this.#exchange(tokens.refresh_token);
  }

  async #exchange(refreshToken: string | undefined, organizationId?: string): Promise<string> {
    if (refreshToken === undefined) throw new ApiError({ status: 401, code: "auth.required", message: "Nobody is signed in." });
    try {
      const issued = await this.#renew(refreshToken, organizationId);
      await this.keep(issued);
      return issued.access_token;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) await this.end();
      throw error;
    }
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#store.exclusive ? this.#store.exclusive(work) : work();
  }
}
