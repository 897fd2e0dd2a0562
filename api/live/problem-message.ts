import { type Finding, type JsonObject, PerdureError, isObject } from "#core";
import type { Logger } from "#platform";

/** What a failed request says on a connection: the fields of a problem that matter there. */
export interface ProblemMessage {
  readonly code: string;
  readonly message: string;
  readonly status: number;
  readonly errors?: readonly Finding[];
}

export function problemMessage(error: unknown, logger: Logger): ProblemMessage {
  if (!(error instanceof PerdureError)) {
    logger.error({ err: error }, "a message on a live connection failed");
    return { code: "internal", message: "An unexpected error occurred.", status: 500 };
  }
  return {
    code: error.code,
    message: error.code === "internal" ? "An unexpected error occurred." : error.message,
    status: error.status,
    ...(error.findings.length > 0 && { errors: error.findings }),
  };
}

/** Of an answer of the routes. */
export async function problemOf(answer: Response): Promise<ProblemMessage> {
  const body: unknown = await answer.json().catch(() => ({}));
  const { code, detail, errors } = (isObject(body) ? body : {}) as JsonObject;
  return {
    code: typeof code === "string" ? code : "internal",
    message: typeof detail === "string" ? detail : "An unexpected error occurred.",
    status: answer.status,
    ...(Array.isArray(errors) && { errors: errors as unknown as Finding[] }),
  };
}
