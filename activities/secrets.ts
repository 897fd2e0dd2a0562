import { PerdureError } from "#core";
import type { SecretSlot } from "#graph";
import type { NodeCall } from "#workflows/messages";

/** Names of the secrets that a call and the providers plugged into it refer to. */
export function secretsNamed(call: Pick<NodeCall, "secret_slots" | "providers">): string[] {
  const found = new Set<string>();
  const open: Pick<NodeCall, "secret_slots" | "providers">[] = [call];
  for (let next = open.pop(); next; next = open.pop()) {
    for (const { parts } of next.secret_slots) for (const part of parts) if (typeof part !== "string") found.add(part.secret);
    open.push(...Object.values(next.providers ?? {}).flat());
  }
  return [...found];
}

/** Looks a secret up; undefined where there is none of that name. */
export type SecretSource = (name: string) => string | undefined;

/** Inputs with secrets filled in, and the inputs as they may be shown. */
export interface FilledInputs {
  inputs: Record<string, unknown>;
  shown: Record<string, unknown>;
}

/**
 * Puts secrets where the plan says they belong; `inputs` stays as it is. What was used is added to `used` (value by name).
 * @throws PerdureError `secret.missing` that names every secret that is not set, and no value.
 */
export function fillSecrets(inputs: Record<string, unknown>, slots: readonly SecretSlot[], secret: SecretSource, used: Map<string, string>): FilledInputs {
  const missing = new Set<string>();
  const fill = (part: string | { secret: string }): string => {
    if (typeof part === "string") return part;
    const value = secret(part.secret);
    if (value === undefined) missing.add(part.secret);
    else used.set(part.secret, value);
    return value ?? "";
  };
  let filled: unknown = inputs;
  for (const { path, parts } of slots) filled = place(filled, path, parts.map(fill).join(""));
  if (missing.size > 0) {
    const names = [...missing];
    throw new PerdureError(
      "secret.missing",
      `Not set: ${names.join(", ")}. A secret comes from the stores of SECRET_STORES (X from PERDURE_SECRET_X in the worker's environment unless the operator says otherwise), for the organizations of SECRETS_ORGANIZATIONS.`,
      {
        findings: names.map((name) => ({ code: "secret.missing", message: `The secret ${name} is not set.`, path: `secrets.${name}` })),
      },
    );
  }
  return { inputs: filled as Record<string, unknown>, shown: showSecrets(inputs, slots) };
}

/** The inputs with `{{secrets.NAME}}` where secrets belong. */
export function showSecrets(inputs: Record<string, unknown>, slots: readonly SecretSlot[]): Record<string, unknown> {
  const shown = slots.reduce<unknown>(
    (whole, { path, parts }) => place(whole, path, parts.map((part) => (typeof part === "string" ? part : `{{secrets.${part.secret}}}`)).join("")),
    inputs,
  );
  return shown as Record<string, unknown>;
}

/** A copy of `whole` with `leaf` at `path`; every key is a plain field, whatever its name. */
function place(whole: unknown, path: readonly (string | number)[], leaf: string): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return leaf;
  if (typeof key === "number") {
    const list: unknown[] = Array.isArray(whole) ? [...(whole as unknown[])] : [];
    list[key] = place(list[key], rest, leaf);
    return list;
  }
  const fields = new Map<string, unknown>(typeof whole === "object" && whole !== null ? Object.entries(whole) : []);
  fields.set(key, place(fields.get(key), rest, leaf));
  return Object.fromEntries(fields);
}
