import { hash, verify } from "@node-rs/argon2";

export interface Passwords {
  hash(password: string): Promise<string>;
  /** Takes as long for an account that does not exist (`undefined`) as for one that does, and is false for it. */
  verify(password: string, passwordHash: string | undefined): Promise<boolean>;
}

/** argon2id; 19 MiB, two passes, one lane are the parameters OWASP's password storage guide asks for, and the library's defaults. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

export function createPasswords(cost: { memoryCost: number; timeCost: number; parallelism: number } = COST): Passwords {
  let nobody: Promise<string> | undefined;
  return {
    hash: (password) => hash(password, cost),
    async verify(password, passwordHash) {
      nobody ??= hash(crypto.randomUUID(), cost);
      const matches = await verify(passwordHash ?? (await nobody), password);
      return matches && passwordHash !== undefined;
    },
  };
}
