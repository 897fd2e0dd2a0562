import type { FailureCode, Finding } from "#core";

/** A code of the table in `docs/errors.md`, or one that a newer server knows. */
export type ErrorCode = FailureCode | (string & {});

/** The API answered that it did not do what was asked: RFC 9457, `application/problem+json`. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** Of HTTP. */
  readonly status: number;
  /** `http.<status>` where what answered was not the API (a proxy). */
  readonly code: ErrorCode;
  /** All that is wrong with the request or its graph, with the ids of nodes and edges. */
  readonly errors: readonly Finding[];
  /** By which the server's logs know the request. */
  readonly correlationId: string | undefined;
  /** How long the server asks to wait before the next attempt. */
  readonly retryAfterMs: number | undefined;

  constructor(answer: { status: number; code: ErrorCode; message: string; errors?: readonly Finding[]; correlationId?: string; retryAfterMs?: number }) {
    super(answer.message);
    this.status = answer.status;
    this.code = answer.code;
    this.errors = answer.errors ?? [];
    this.correlationId = answer.correlationId;
    this.retryAfterMs = answer.retryAfterMs;
  }
}

/** No answer came, or not all of it; `cause` says why. Whether the server did what was asked is not known. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

/** Longest text of a foreign answer that is shown. */
const SHOWN_LENGTH = 200;

/** Reads a refusal, whoever made it. */
export async function readApiError(response: Response): Promise<ApiError> {
  const text = await response.text();
  const { status } = response;
  const retryAfterMs = retryAfter(response.headers.get("retry-after"));
  const problem = parse(text);
  if (typeof problem?.["code"] === "string") {
    return new ApiError({
      status,
      code: problem["code"],
      message: typeof problem["detail"] === "string" ? problem["detail"] : `The API answered ${status}.`,
      ...(Array.isArray(problem["errors"]) && { errors: problem["errors"] as Finding[] }),
      ...(typeof problem["correlation_id"] === "string" && { correlationId: problem["correlation_id"] }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }
  const shown = text.trim().slice(0, SHOWN_LENGTH);
  return new ApiError({
    status,
    code: `http.${status}`,
    message: `The answer was ${status}${shown === "" ? "" : `: ${shown}`}`,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** `Retry-After` as RFC 9110 has it, seconds or a date, in milliseconds from now. */
export function retryAfter(header: string | null, now = Date.now()): number | undefined {
  if (header === null || header.trim() === "") return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
