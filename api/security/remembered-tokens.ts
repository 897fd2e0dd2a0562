import { decodeJwt } from "jose";
import { BoundedCache } from "../bounded-cache.ts";
import { type TokenHolder, type Tokens, hashToken } from "./tokens.ts";

/** A token is verified again after this time, as a member is looked up again. */
const REMEMBERED_MS = 10_000;
const TOKENS_REMEMBERED = 10_000;

/**
 * The same tokens, each verified once in ten seconds: checking a signature costs more than all else that a request does here. What was refused is not
 * remembered, and nothing is remembered beyond its expiry. Only hashes are kept.
 */
export function rememberTokens(tokens: Tokens, now: () => number = Date.now): Tokens {
  const known = new BoundedCache<string, { principal: TokenHolder; until: number }>(TOKENS_REMEMBERED);
  return {
    ...tokens,
    async verify(token) {
      const hash = hashToken(token);
      const kept = known.get(hash);
      if (kept && now() < kept.until) return kept.principal;
      const principal = await tokens.verify(token);
      const { exp = 0 } = decodeJwt(token);
      known.set(hash, { principal, until: Math.min(now() + REMEMBERED_MS, exp * 1_000) });
      return principal;
    },
  };
}
