import { type Finding, PerdureError } from "#core";
import type { CheckedValues } from "./check.ts";
import type { CredentialValues } from "#nodes";

/**
 * Who changes where a credential may be sent says again what is secret in it: otherwise whoever may change it could have it sent to themselves, and read what
 * somebody else has entered. Narrowing it takes nothing.
 * @param sent What the change itself holds.
 * @throws PerdureError `validation.failed`, naming the fields that are missing.
 */
export function refuseWiderReach({ type, values }: CheckedValues, before: CredentialValues, sent: Readonly<Record<string, unknown>>): void {
  const [old, wanted] = [type.hosts(before), type.hosts(values)];
  if (old === undefined || wanted?.every((host) => old.some((known) => covers(known, host)))) return;
  const kept = Object.keys(values).filter((name) => !type.plain.has(name) && !Object.hasOwn(sent, name));
  const message = "is to be sent along where other hosts are to get it";
  const findings = kept.map((name): Finding => ({ code: "credential.reach", message, path: `data.${name}` }));
  if (findings.length > 0) throw new PerdureError("validation.failed", "The credential would reach hosts that it was not for.", { findings });
}

/** Patterns as in `allowed_hosts`. */
function covers(known: string, host: string): boolean {
  return known === host || (known.startsWith("*.") && !known.includes(":") && !host.includes(":") && host.endsWith(known.slice(1)));
}
