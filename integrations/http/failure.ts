import { PerdureError } from "#core";

const TIMED_OUT: ReadonlySet<string> = new Set(["UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "ETIMEDOUT"]);
const TLS = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|^ERR_TLS|^ERR_SSL|^EPROTO$/;

/** What the failure of an exchange with `host` is to a node. Failures that are ours already stay as they are. */
export function networkFailure(error: unknown, host: string): PerdureError {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    if (cause instanceof PerdureError) return cause;
    const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
    if (TIMED_OUT.has(code)) return timedOut(host, error);
    if (code === "UND_ERR_INVALID_ARG")
      return new PerdureError("validation.failed", "The request has a header or a method that HTTP does not allow.", { cause: error });
    if (TLS.test(code))
      return new PerdureError("network.unreachable", `The certificate of ${host} cannot be trusted (${code}).`, { retryable: false, cause: error });
    if (/^Z_|^ERR__ERROR_FORMAT|^ZSTD_/.test(code))
      return new PerdureError("upstream.failed", `${host} sent a body that cannot be decompressed.`, { cause: error });
    if (code !== "") return new PerdureError("network.unreachable", `${host} could not be reached (${code}).`, { cause: error });
  }
  return new PerdureError("network.unreachable", `${host} could not be reached.`, { cause: error });
}

export function timedOut(host: string, cause?: unknown): PerdureError {
  return new PerdureError("network.timed_out", `${host} did not answer in time.`, { cause });
}
