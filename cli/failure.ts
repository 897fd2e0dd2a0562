import { ApiError, ConnectionError } from "#client";
import type { Address } from "./config.ts";

/** How the command ends, for scripts. */
export const EXIT = {
  done: 0,
  /** What was asked for was done, or tried, and did not come out well: a graph with problems, a run that failed, a refusal of the API. */
  failed: 1,
  usage: 2,
  notSignedIn: 3,
  unreachable: 4,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends the command with a message; no stack is shown. */
export class Failure extends Error {
  readonly exitCode: ExitCode;
  constructor(message: string, exitCode: ExitCode = EXIT.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

export function usage(message: string): Failure {
  return new Failure(message, EXIT.usage);
}

export interface Shown {
  exitCode: ExitCode;
  /** Lines for a person. */
  lines: string[];
  /** The same for a program. */
  json: { code: string; message: string; errors?: readonly object[]; correlation_id?: string };
}

/** What is told of an error, whatever it is. */
export function describeFailure(error: unknown, { url, change }: Address): Shown {
  if (error instanceof Failure) return { exitCode: error.exitCode, lines: [error.message], json: { code: "command.failed", message: error.message } };
  if (error instanceof ConnectionError) {
    const message = `${url} does not answer${why(error.cause)}. Is the API running, and is this its address? ${change}`;
    return { exitCode: EXIT.unreachable, lines: [message], json: { code: "connection.failed", message } };
  }
  if (error instanceof ApiError) {
    const { code, errors, correlationId } = error;
    const isSignedOut = error.status === 401;
    return {
      exitCode: isSignedOut ? EXIT.notSignedIn : EXIT.failed,
      lines: [
        `${error.message} (${code})`,
        ...errors.map(({ message, path, node_id: node, hint }) => `  ${node ?? path ?? ""}${node || path ? ": " : ""}${message}${hint ? ` ${hint}` : ""}`),
        ...(isSignedOut ? ["Sign in with `perdure login`."] : []),
        ...(error.status >= 500 && correlationId ? [`The server's log has it under ${correlationId}.`] : []),
      ],
      json: { code, message: error.message, ...(errors.length > 0 && { errors }), ...(correlationId !== undefined && { correlation_id: correlationId }) },
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { exitCode: EXIT.failed, lines: [message], json: { code: "command.failed", message } };
}

function why(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const code = typeof inner === "object" && inner !== null && "code" in inner ? inner.code : undefined;
  return typeof code === "string" ? ` (${code})` : "";
}
