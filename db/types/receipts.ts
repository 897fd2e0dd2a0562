import type { FailureValue, Json, TenantId } from "#core";

/** Receipts and attempt counts of paid or changing calls (architecture.md 2, points 6 and 7). */
export interface Receipts {
  /** `failedAttempts`: as they were counted. */
  find(tenant: TenantId, key: string): Promise<{ result: Json | undefined; failure: FailureValue | undefined; failedAttempts: number[] } | undefined>;
  /** The results that stand under these keys; calls that never succeeded are left out. */
  results(tenant: TenantId, keys: readonly string[]): Promise<Map<string, Json>>;
  /** The first receipt wins; returns the one that stands. */
  store(tenant: TenantId, runId: string, key: string, result: Json): Promise<Json>;
  /** Keeps a failure after which nothing is tried again; the first one stands. */
  storeFailure(tenant: TenantId, runId: string, key: string, failure: FailureValue): Promise<void>;
  /** Counts one failure of the handler for this attempt (repeating the call for the same attempt counts once); returns how many there are now above `after`. */
  countFailure(tenant: TenantId, runId: string, key: string, attempt: number, after: number): Promise<number>;
}
