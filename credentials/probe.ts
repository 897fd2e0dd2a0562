import { PerdureError } from "#core";
import type { CredentialVerdict } from "#db";
import { credentialType, type CredentialValues, proofFor, type ProviderDefaults } from "#nodes";

export interface ProbeOptions {
  /** Goes out through the guard, without following redirects. */
  send(url: string, init: { method: "GET"; headers: Record<string, string>; signal: AbortSignal }): Promise<Response>;
  defaults: ProviderDefaults;
  timeoutMs: number;
  /** Whom to ask, where the type does not know. */
  url?: string | undefined;
}

/**
 * Asks the provider whether it takes the credential, without spending anything. Nothing of what it answers is told but its status.
 * @throws PerdureError `validation.failed` where nobody knows whom to ask; `outbound.refused` for an address out of reach, or a host that it is not for.
 */
export async function probeCredential(
  credential: { type: string; values: CredentialValues },
  { send, defaults, timeoutMs, url: given }: ProbeOptions,
): Promise<CredentialVerdict> {
  const probe = credentialType(credential.type)?.probe(credential.values, defaults, given);
  const url = probe && URL.parse(probe.url);
  if (!probe || !url) {
    throw new PerdureError("validation.failed", "There is nobody to ask whether the credential is taken.", {
      findings: [
        { code: "credential.test_url", message: "names an address that answers a GET with 2xx to who is let in, and 401 or 403 to others", path: "url" },
      ],
    });
  }
  if (given !== undefined || credential.values["test_url"] !== undefined) proofFor(credential, url);
  for (const [name, value] of Object.entries(probe.query)) url.searchParams.set(name, value);
  try {
    const { status, body } = await send(url.href, { method: "GET", headers: probe.headers, signal: AbortSignal.timeout(timeoutMs) });
    await body?.cancel();
    return verdictOf(status, url.host);
  } catch (error) {
    if (error instanceof PerdureError && error.code === "outbound.refused") throw error;
    return { verdict: "unknown", message: `${url.host} could not be reached.` };
  }
}

function verdictOf(status: number, host: string): CredentialVerdict {
  if (status >= 200 && status < 300) return { verdict: "valid", message: `${host} takes it.` };
  if (status === 401 || status === 403) return { verdict: "invalid", message: `${host} does not take it (${status}).` };
  return { verdict: "unknown", message: `${host} answered ${status}, which does not say whether it takes it.` };
}
