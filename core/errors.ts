/**
 * The closed table of failures (A16). A code decides the HTTP status and whether a retry can help; it crosses Temporal as the failure's
 * `type` and REST as the problem's `code`. Pinned by `errors.test.ts`: renaming one breaks stored histories and clients.
 */
export const FAILURES = {
  "request.malformed": { status: 400, retryable: false },
  "configuration.invalid": { status: 400, retryable: false },
  "auth.required": { status: 401, retryable: false },
  "auth.invalid": { status: 401, retryable: false },
  "auth.forbidden": { status: 403, retryable: false },
  "resource.not_found": { status: 404, retryable: false },
  "resource.conflict": { status: 409, retryable: false },
  "run.closed": { status: 409, retryable: false },
  "run.state": { status: 409, retryable: false },
  "approval.answered": { status: 409, retryable: false },
  "idempotency.mismatch": { status: 409, retryable: false },
  "request.method_not_allowed": { status: 405, retryable: false },
  "precondition.failed": { status: 412, retryable: false },
  "request.upgrade_required": { status: 426, retryable: false },
  "request.unsupported_encoding": { status: 415, retryable: false },
  "request.too_large": { status: 413, retryable: false },
  "graph.invalid": { status: 422, retryable: false },
  "graph.stuck": { status: 422, retryable: false },
  "entry.required": { status: 422, retryable: false },
  "validation.failed": { status: 422, retryable: false },
  "template.missing": { status: 422, retryable: false },
  "expression.failed": { status: 422, retryable: false },
  "code.failed": { status: 422, retryable: false },
  "secret.missing": { status: 422, retryable: false },
  "credential.missing": { status: 422, retryable: false },
  "credential.rejected": { status: 422, retryable: false },
  "approval.rejected": { status: 422, retryable: false },
  "wait.timed_out": { status: 422, retryable: false },
  "node.timed_out": { status: 422, retryable: false },
  "loop.limit": { status: 422, retryable: false },
  "run.cancelled": { status: 409, retryable: false },
  "run.timed_out": { status: 422, retryable: false },
  "run.not_started": { status: 503, retryable: true },
  "child.failed": { status: 422, retryable: false },
  "outbound.refused": { status: 422, retryable: false },
  "output.too_large": { status: 422, retryable: false },
  "payload.unreadable": { status: 500, retryable: false },
  "upstream.rejected": { status: 422, retryable: false },
  "upstream.failed": { status: 500, retryable: true },
  "upstream.rate_limited": { status: 429, retryable: true },
  "upstream.circuit_open": { status: 503, retryable: true },
  "network.unreachable": { status: 500, retryable: true },
  "network.timed_out": { status: 500, retryable: true },
  "vector_store.unavailable": { status: 500, retryable: true },
  "rate.limited": { status: 429, retryable: true },
  "temporal.unavailable": { status: 503, retryable: true },
  "database.unavailable": { status: 503, retryable: true },
  "handler.failed": { status: 500, retryable: true },
  "handler.rejected": { status: 422, retryable: false },
  internal: { status: 500, retryable: true },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

export type FailureCode = keyof typeof FAILURES;

/** One thing that is wrong, as it stands in a problem's `errors[]` on the wire. */
export interface Finding {
  code: string;
  message: string;
  path?: string;
  node_id?: string;
  edge_id?: string;
  hint?: string;
}

/** A failure as it is stored with a run and its nodes, and readable as `{{errors.<id>}}`. Never a stack, never a cause. */
export interface FailureValue {
  code: string;
  message: string;
  retryable: boolean;
  node_id?: string;
  iteration?: string;
  details?: Finding[];
}

/** The one error class. `message` may be shown to callers; `cause` is for logs only. */
export class PerdureError extends Error {
  override readonly name = "PerdureError";
  readonly code: FailureCode;
  readonly findings: readonly Finding[];
  /** How long to wait before the next attempt, in milliseconds, where the other side said so (`retry-after`). */
  readonly retryAfterMs: number | undefined;
  /** Overrides the table for one failure, where the other side says that trying again is pointless (or not). */
  readonly retryable: boolean;

  constructor(
    code: FailureCode,
    message: string,
    options: { findings?: readonly Finding[]; retryAfterMs?: number; retryable?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.findings = options.findings ?? [];
    this.retryAfterMs = options.retryAfterMs;
    this.retryable = options.retryable ?? FAILURES[code].retryable;
  }

  get status(): number {
    return FAILURES[this.code].status;
  }

  toValue(): FailureValue {
    return { code: this.code, message: this.message, retryable: this.retryable, ...(this.findings.length > 0 && { details: [...this.findings] }) };
  }
}

export function isFailureCode(code: string): code is FailureCode {
  return Object.hasOwn(FAILURES, code);
}

/** What may be told of any thrown value: ours as it is, all else as `internal` without its message. */
export function toFailureValue(error: unknown): FailureValue {
  return error instanceof PerdureError ? error.toValue() : { code: "internal", message: "An unexpected error occurred.", retryable: true };
}
