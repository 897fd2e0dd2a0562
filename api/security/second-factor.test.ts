import { Secret, TOTP } from "otpauth";
import { describe, expect, test } from "vitest";
import { createTestApp } from "../testing/test-app.ts";
import { createSecondFactor } from "./second-factor.ts";

/** A moment in the middle of a time step. */
const NOON = Date.UTC(2026, 0, 1, 12, 0, 15);

async function enrolled() {
  const { db, services, signUp } = createTestApp();
  const { userId, email } = await signUp();
  let now = NOON;
  const factor = createSecondFactor({ rows: db.secondFactors, payloads: services.payloads, issuer: "Perdure", now: () => now });
  const { secret = "" } = (await factor.enrol({ id: userId, email })) ?? {};
  const codeAt = (steps: number) => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: NOON + steps * 30_000 });
  return { db, userId, factor, codeAt, at: (time: number) => (now = time) };
}

describe("the second factor", () => {
  test("D1: When a clock is off by one step, then its codes are taken; by two, not", async () => {
    for (const [steps, taken] of [
      [-2, false],
      [-1, true],
      [0, true],
      [1, true],
      [2, false],
    ] as const) {
      const { factor, userId, codeAt } = await enrolled();
      expect([steps, (await factor.confirm(userId, codeAt(steps))) !== undefined]).toEqual([steps, taken]);
    }
  });

  test("D1: When a code was used, then it and those before it are used up, and the next one is not", async () => {
    const { factor, userId, codeAt, at } = await enrolled();
    expect(await factor.use(userId, codeAt(0)), "not confirmed").toBeUndefined();
    await factor.confirm(userId, codeAt(0));
    expect([await factor.use(userId, codeAt(0)), await factor.use(userId, codeAt(-1))]).toEqual([undefined, undefined]);
    at(NOON + 30_000);
    expect(await factor.use(userId, ` ${codeAt(1).slice(0, 3)} ${codeAt(1).slice(3)}`)).toBe("totp");
    expect(await factor.use(userId, codeAt(1))).toBeUndefined();
  });

  test("D1: When recovery codes are made, then ten of 80 random bits, stored as hashes, each good once", async () => {
    const { db, factor, userId, codeAt } = await enrolled();
    const codes = (await factor.confirm(userId, codeAt(0))) ?? [];
    expect(codes).toHaveLength(10);
    for (const code of codes) expect(code).toMatch(/^([0-9a-hjkmnp-tv-z]{4}-){3}[0-9a-hjkmnp-tv-z]{4}$/);
    const stored = [...(db.state.secondFactors.get(userId)?.codes ?? [])];
    expect(stored.every((hash) => /^[0-9a-f]{64}$/.test(hash))).toBe(true);
    const [code = ""] = codes;
    expect([await factor.use(userId, code.replaceAll("-", "").toUpperCase()), await factor.use(userId, code)]).toEqual(["recovery_code", undefined]);
    expect(await factor.use("00000000-0000-4000-8000-000000000000", code), "of somebody else").toBeUndefined();
  });

  test("F2: When a sealed secret is put under another user, then it does not open", async () => {
    const [a, b] = [await enrolled(), await enrolled()];
    const stolen = await a.db.secondFactors.find(a.userId);
    if (!stolen) throw new Error("no secret");
    await b.db.secondFactors.enrol(b.userId, stolen);
    await expect(b.factor.use(b.userId, a.codeAt(0))).rejects.toThrow();
  });
});
