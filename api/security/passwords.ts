import { hash, verify } from "@node-rs/argon2";
import { PerdureError } from "#core";

/** @throws PerdureError `rate.limited` from both, where as many as allowed are being hashed or wait for it. */
export interface Passwords {
  hash(password: string): Promise<string>;
  /** Takes as long for an account that does not exist (`undefined`) as for one that does, and is false for it. */
  verify(password: string, passwordHash: string | undefined): Promise<boolean>;
}

/** argon2id; 19 MiB, two passes, one lane are the parameters OWASP's password storage guide asks for, and the library's defaults. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** Hashes at once: one less than the threads that Node has for such work, since names and new connections to the database need one as well. */
const AT_ONCE = 3;

/** @param maxPending hashes under way and waiting, so that a flood of sign-ins delays the others by no more */
export function createPasswords({
  maxPending = Infinity,
  cost = COST,
}: { maxPending?: number; cost?: { memoryCost: number; timeCost: number; parallelism: number } } = {}): Passwords {
  let nobody: Promise<string> | undefined;
  let pending = 0;
  let running = 0;
  const waiting: (() => void)[] = [];

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running < AT_ONCE) running++;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  }

  async function counted<T>(work: () => Promise<T>): Promise<T> {
    if (pending >= maxPending) throw new PerdureError("rate.limited", "Too many people sign in at this moment.", { retryAfterMs: 1_000 });
    pending++;
    try {
      return await inTurn(work);
    } finally {
      pending--;
    }
  }

  return {
    hash: (password) => counted(() => hash(password, cost)),
    verify: (password, passwordHash) =>
      counted(async () => {
        nobody ??= hash(crypto.randomUUID(), cost);
        const matches = await verify(passwordHash ?? (await nobody), password);
        return matches && passwordHash !== undefined;
      }),
  };
}
