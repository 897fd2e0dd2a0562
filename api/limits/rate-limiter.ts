import type { RateBuckets } from "#db";
import type { Logger, Rate } from "#platform";
import { BoundedCache } from "../bounded-cache.ts";

/** Of a full bucket, what a process takes at once to deal it out itself. A bucket of fewer than this many tokens is dealt out one by one. */
const PARTS = 50;
/** Tokens that a process took and did not need in this time are gone. */
const LEASE_MS = 10_000;
/** Buckets that a process knows; those used longest ago are forgotten, with the tokens taken for them. */
const BUCKETS_KNOWN = 20_000;
const SWEEP_INTERVAL_MS = 60_000;

/** What became of one request, for the answer's headers. */
export interface Verdict {
  readonly name: string;
  readonly rate: Rate;
  readonly allowed: boolean;
  readonly remaining: number;
  /** Until the bucket is full, in milliseconds. */
  readonly resetMs: number;
  /** Until there is a token, in milliseconds; 0 where there is one. */
  readonly retryAfterMs: number;
}

/**
 * Buckets of tokens, shared by all processes through the database. Each process takes a part of a bucket at a time and deals it out by itself, so
 * that most requests need no statement and the processes together never let through more than the bucket holds.
 */
export interface RateLimiter {
  take(name: string, subject: string, rate: Rate): Promise<Verdict>;
  /** Puts one token back. */
  giveBack(name: string, subject: string, rate: Rate): Promise<void>;
}

interface Lease {
  left: number;
  until: number;
  /** In the shared bucket when this process last looked. */
  shared: number;
  blockedUntil: number;
  pending: Promise<void> | undefined;
}

export function createRateLimiter(buckets: RateBuckets, logger: Logger, now: () => number = Date.now): RateLimiter {
  const leases = new BoundedCache<string, Lease>(BUCKETS_KNOWN);
  let sweptAt = now();

  /** Milliseconds in which so many tokens come. */
  const timeFor = (tokens: number, rate: Rate): number => (tokens * rate.perMs) / rate.tokens;
  const bucketOf = ({ burst, tokens, perMs }: Rate) => ({ burst, tokensPerSecond: (tokens * 1_000) / perMs });

  function leaseOf(key: string): Lease {
    const known = leases.get(key);
    if (known) return known;
    const fresh: Lease = { left: 0, until: 0, shared: 0, blockedUntil: 0, pending: undefined };
    leases.set(key, fresh);
    return fresh;
  }

  async function refill(key: string, lease: Lease, rate: Rate): Promise<void> {
    const { taken, tokens } = await buckets.take(key, Math.max(1, Math.floor(rate.burst / PARTS)), bucketOf(rate));
    lease.left = taken;
    lease.shared = tokens;
    lease.until = now() + LEASE_MS;
    if (taken < 1) lease.blockedUntil = now() + Math.max(1, timeFor(1 - tokens, rate));
    sweep();
  }

  function sweep(): void {
    if (now() - sweptAt < SWEEP_INTERVAL_MS) return;
    sweptAt = now();
    buckets.sweep().catch((error: unknown) => logger.warn({ err: error }, "buckets of rates were not swept"));
  }

  return {
    async take(name, subject, rate) {
      const key = `${name}:${subject}`;
      const lease = leaseOf(key);
      const verdict = (allowed: boolean): Verdict => {
        const remaining = Math.max(0, Math.floor(Math.min(rate.burst, lease.shared + lease.left)));
        return {
          name,
          rate,
          allowed,
          remaining: allowed ? remaining : 0,
          resetMs: timeFor(rate.burst - remaining, rate),
          retryAfterMs: allowed ? 0 : Math.max(1, lease.blockedUntil - now()),
        };
      };
      while (lease.left < 1 || now() >= lease.until) {
        if (now() < lease.blockedUntil) return verdict(false);
        lease.pending ??= refill(key, lease, rate).finally(() => {
          lease.pending = undefined;
        });
        await lease.pending;
      }
      lease.left--;
      return verdict(true);
    },

    async giveBack(name, subject, rate) {
      const key = `${name}:${subject}`;
      const lease = leaseOf(key);
      lease.blockedUntil = 0;
      if (now() < lease.until) lease.left++;
      else await buckets.take(key, -1, bucketOf(rate));
    },
  };
}
