/** Buckets of tokens that all processes share (F4). They belong to no tenant: limits hold before it is known who calls. */
export interface RateBuckets {
  /**
   * Takes as many of the `wanted` tokens as there are, in one statement; a negative number puts tokens back.
   * @returns how many it got, and how many the bucket holds now (a fraction).
   */
  take(key: string, wanted: number, bucket: { burst: number; tokensPerSecond: number }): Promise<{ taken: number; tokens: number }>;
  /** Forgets buckets that are full again. */
  sweep(): Promise<void>;
}
