import { randomInt } from "node:crypto";
import { tenantId } from "#core";
import type { SecondFactors, User } from "#db";
import type { Payloads, SealedName } from "#payloads";
import { Secret, TOTP } from "otpauth";
import { hashToken } from "./tokens.ts";

/** What every authenticator takes: SHA-1, six digits, 30 seconds (RFC 6238). */
const PERIOD_SECONDS = 30;
const DIGITS = 6;
/** Steps that a clock may be off, to either side. */
const WINDOW = 1;
/** RFC 4226 asks for 160 bits. */
const SECRET_BYTES = 20;

const RECOVERY_CODES = 10;
/** Four groups of four characters out of 32: 80 bits, too many to be found by their hash. */
const GROUPS = 4;
const GROUP_LENGTH = 4;
/** Without i, l, o and u, which are read as others. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

export interface SecondFactor {
  /** Undefined where one is in use. Nothing changes until it is confirmed. */
  enrol(user: Pick<User, "id" | "email">): Promise<{ secret: string; uri: string } | undefined>;
  /** Turns it on. @returns the recovery codes; undefined where the code is wrong, or nothing is there to be confirmed. */
  confirm(userId: string, code: string): Promise<string[] | undefined>;
  /** Uses up a code of either kind. @returns of which; undefined where it is wrong, or was used. */
  use(userId: string, code: string): Promise<"totp" | "recovery_code" | undefined>;
  /** Undefined where none is in use. */
  renewRecoveryCodes(userId: string): Promise<string[] | undefined>;
}

/** @param issuer what the authenticator shows beside the account */
export function createSecondFactor({
  rows,
  payloads,
  issuer,
  now = Date.now,
}: {
  rows: SecondFactors;
  payloads: Pick<Payloads, "seal" | "open">;
  issuer: string;
  now?: () => number;
}): SecondFactor {
  const totp = (secret: Secret, label = ""): TOTP => new TOTP({ issuer, label, secret, digits: DIGITS, period: PERIOD_SECONDS });

  /** The time step that a code belongs to; undefined where it is that of none near now. */
  async function stepOf(userId: string, code: string): Promise<number | undefined> {
    const factor = await rows.find(userId);
    if (!factor) return undefined;
    const bytes = await payloads.open(tenantId(userId), nameOf(userId), factor);
    const timestamp = now();
    const authenticator = totp(new Secret({ buffer: Uint8Array.from(bytes).buffer }));
    const delta = authenticator.validate({ token: code, timestamp, window: WINDOW });
    return delta === null ? undefined : authenticator.counter({ timestamp }) + delta;
  }

  return {
    async enrol({ id, email }) {
      const secret = new Secret({ size: SECRET_BYTES });
      // Each user has a data key of their own, as an organization has.
      const sealed = await payloads.seal(tenantId(id), nameOf(id), new Uint8Array(secret.buffer));
      if (!(await rows.enrol(id, sealed))) return undefined;
      return { secret: secret.base32, uri: totp(secret, email).toString() };
    },

    async confirm(userId, code) {
      const step = await stepOf(userId, digitsOf(code));
      if (step === undefined) return undefined;
      const codes = newRecoveryCodes();
      return (await rows.confirm(userId, step, codes.map(hashCode))) ? codes : undefined;
    },

    async use(userId, code) {
      const digits = digitsOf(code);
      if (digits.length === DIGITS && /^\d+$/.test(digits)) {
        const step = await stepOf(userId, digits);
        return step !== undefined && (await rows.useStep(userId, step)) ? "totp" : undefined;
      }
      return (await rows.useRecoveryCode(userId, hashCode(code))) ? "recovery_code" : undefined;
    },

    async renewRecoveryCodes(userId) {
      const codes = newRecoveryCodes();
      return (await rows.replaceRecoveryCodes(userId, codes.map(hashCode))) ? codes : undefined;
    },
  };
}

function nameOf(userId: string): SealedName {
  return { kind: "second factor", id: userId };
}

/** As authenticators show it: `123 456`. */
function digitsOf(code: string): string {
  return code.replaceAll(/\s/g, "");
}

function newRecoveryCodes(): string[] {
  const group = (): string => Array.from({ length: GROUP_LENGTH }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join("");
  return Array.from({ length: RECOVERY_CODES }, () => Array.from({ length: GROUPS }, group).join("-"));
}

/** In any case, with and without what parts the groups. */
function hashCode(code: string): string {
  return hashToken(code.toLowerCase().replaceAll(/[^a-z0-9]/g, ""));
}
