import {
  isGrpcServiceError,
  NamespaceNotFoundError,
  QueryNotRegisteredError,
  ServiceError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from "@temporalio/client";
import { PerdureError } from "#core";

/** Codes of gRPC (https://grpc.io/docs/guides/status-codes/). */
export const GRPC = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

const REFUSALS: ReadonlySet<number> = new Set([GRPC.invalidArgument, GRPC.permissionDenied, GRPC.failedPrecondition, GRPC.unimplemented, GRPC.unauthenticated]);

/** The gRPC code behind an error of the client; undefined where there is none. */
export function grpcCode(error: unknown): number | undefined {
  if (isGrpcServiceError(error)) return error.code;
  return error instanceof Error && error.cause !== undefined ? grpcCode(error.cause) : undefined;
}

export function grpcDetails(error: unknown): string {
  if (isGrpcServiceError(error)) return error.details || error.message;
  return error instanceof Error && error.cause !== undefined ? grpcDetails(error.cause) : "";
}

/** Said of an Update or query while the run's last workflow task has failed, as after an outage of the database: the next one may do. */
const TASK_FAILED = /workflow task in failed state/i;

/** True where Temporal said no, and would again: asking later does not help. */
export function isRefusal(error: unknown): boolean {
  const code = grpcCode(error);
  return code !== undefined && REFUSALS.has(code) && !TASK_FAILED.test(grpcDetails(error));
}

/** True where Temporal did not answer (in time), so that nothing is known of what it did. */
export function isSilence(error: unknown): boolean {
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return true;
  if (error instanceof NamespaceNotFoundError || error instanceof QueryNotRegisteredError) return false;
  return (error instanceof ServiceError || isGrpcServiceError(error)) && !isRefusal(error);
}

export function unavailable(cause: unknown): PerdureError {
  return new PerdureError("temporal.unavailable", "Temporal cannot be reached at present.", { cause, retryAfterMs: 2_000 });
}
