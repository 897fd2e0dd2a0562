import { sql } from "drizzle-orm";
import type { Sessions } from "../connection/sessions.ts";
import { rateBuckets } from "../schema/index.ts";
import type { RateBuckets } from "../types/index.ts";

export function createRateBuckets(sessions: Sessions): RateBuckets {
  return {
    async take(key, wanted, { burst, tokensPerSecond }) {
      const number = (value: number) => sql`${value}::double precision`;
      const taken = sql`case when ${number(wanted)} < 0 then ${number(wanted)} else least(${number(wanted)}, floor(refilled)) end`;
      const left = sql`least(${number(burst)}, refilled - taken)`;
      /** A bucket that was refilled, and what remains of it. */
      const after = (refilled: ReturnType<typeof sql>) => sql`
        select ${left}, taken, at, at + (${number(burst)} - ${left}) / ${number(tokensPerSecond)} * interval '1 second'
        from (select *, ${taken} as taken from (select ${refilled} as refilled, at from (select clock_timestamp() as at offset 0) c) r) t`;
      const [bucket] = await sessions.once("system", (db) =>
        db.execute<{ tokens: number; taken: number }>(sql`
          insert into rate_buckets as b (key, tokens, taken, updated_at, full_at)
          select ${key}, x.* from (${after(number(burst))}) x
          on conflict (key) do update set (tokens, taken, updated_at, full_at) = (${after(
            sql`least(${number(burst)}, b.tokens + greatest(0, extract(epoch from at - b.updated_at)) * ${number(tokensPerSecond)})`,
          )})
          returning tokens, taken`),
      );
      return { tokens: bucket?.tokens ?? 0, taken: bucket?.taken ?? 0 };
    },

    async sweep() {
      await sessions.once("system", (db) => db.delete(rateBuckets).where(sql`${rateBuckets.fullAt} < now()`));
    },
  };
}
