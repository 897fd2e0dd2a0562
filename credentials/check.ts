import { type Finding, PerdureError, safeParse } from "#core";
import { CREDENTIAL_TYPES, credentialType, type CredentialType, type CredentialValues } from "#nodes";

export interface CheckedValues {
  type: CredentialType;
  values: CredentialValues;
}

/**
 * What a credential is to hold, as its type says. Findings name fields and never show a value.
 * @throws PerdureError `validation.failed`.
 */
export function checkValues(typeName: string, data: Readonly<Record<string, unknown>>, maxBytes: number): CheckedValues {
  const type = credentialType(typeName);
  if (!type) {
    const known = CREDENTIAL_TYPES.map((each) => each.type).join(", ");
    throw invalid([{ code: "credential.type", message: `must be one of ${known}`, path: "type", hint: "Use generic for any other service." }]);
  }
  const given = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== null && value !== undefined));
  if (Buffer.byteLength(JSON.stringify(given)) > maxBytes) {
    throw invalid([{ code: "limit.exceeded", message: `must be no longer than ${maxBytes} bytes as JSON (CREDENTIAL_MAX_BYTES)`, path: "data" }]);
  }
  const parsed = safeParse(type.schema, given);
  if (parsed.success) return { type, values: withoutAbsent(parsed.data) };
  throw invalid(
    parsed.error.issues.map((issue) => ({ code: `validation.${issue.code}`, message: issue.message, path: ["data", ...issue.path.map(String)].join(".") })),
  );
}

function withoutAbsent(values: CredentialValues): CredentialValues {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => typeof value === "string"));
}

function invalid(findings: readonly Finding[]): PerdureError {
  return new PerdureError("validation.failed", "The credential is not valid.", { findings });
}
