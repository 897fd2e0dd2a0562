import type { JsonObject } from "#core";

export type AccountTokenPurpose = "verify_email" | "reset_password" | "second_factor" | "sign_in";

export interface AccountToken {
  userId: string | null;
  data: JsonObject;
}

/** Single-use tokens, by their hashes. They have no tenant: run under `perdure_system`. */
export interface AccountTokens {
  /** A new token of a user takes the place of those before it of the same purpose, unless they may stand side by side (`keepOthers`). */
  create(token: {
    purpose: AccountTokenPurpose;
    userId: string | null;
    tokenHash: string;
    data: JsonObject;
    expiresAt: Date;
    keepOthers?: boolean;
  }): Promise<void>;
  /** One that is good, without using it up. */
  find(purpose: AccountTokenPurpose, tokenHash: string): Promise<AccountToken | undefined>;
  /** Counts an attempt; undefined after `maxAttempts` of them. */
  attempt(purpose: AccountTokenPurpose, tokenHash: string, maxAttempts: number): Promise<AccountToken | undefined>;
  /** Exactly one of several calls gets it. */
  use(purpose: AccountTokenPurpose, tokenHash: string): Promise<AccountToken | undefined>;
}
