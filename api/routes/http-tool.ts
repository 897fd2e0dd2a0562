import type { LoggedHttpRequestJson } from "#contract/http-tool.ts";
import { type FailureCode, type Finding, type Json, isObject, parseDuration, PerdureError, safeParse, uuidv7 } from "#core";
import type { LoggedHttpRequest } from "#db";
import { httpRequestInputs, refusedStatus, sendHttpRequest } from "#nodes";
import type { Handlers } from "../mount.ts";
import { pageHeadersOf, toPage } from "../paging.ts";
import type { Services } from "../services.ts";

/** What a request comes to, in distinction from what is wrong with the question. */
const OUTCOMES: ReadonlySet<FailureCode> = new Set<FailureCode>([
  "outbound.refused",
  "network.unreachable",
  "network.timed_out",
  "output.too_large",
  "upstream.rejected",
  "upstream.failed",
]);

export function httpToolHandlers({ db: { httpLog }, http, settings, shutdown }: Services): Handlers<"testHttpRequest" | "listHttpRequests"> {
  return {
    async testHttpRequest({ body, rawBody, principal, c }) {
      const inputs = inputsOf(body, rawBody);
      const timeoutMs = Math.min(parseDuration(body.timeout ?? "") ?? settings.HTTP_TEST_TIMEOUT_MS, settings.HTTP_TEST_TIMEOUT_MS);
      const signal = AbortSignal.any([c.req.raw.signal, shutdown]);
      const context = { input: null, tenantId: principal.tenantId, idempotencyKey: uuidv7(), credentials: {}, services: { http }, signal };
      const sentAt = Date.now();
      try {
        const output = await sendHttpRequest({ ...inputs, timeout: timeoutMs / 1_000, fail_on_status: false }, context);
        refuseTooLarge(output, settings.NODE_OUTPUT_MAX_BYTES);
        return { status: 200, body: { ...output, body: output.body as Json, error: null } };
      } catch (error) {
        if (!(error instanceof PerdureError) && !signal.aborted) throw error;
        // The caller has gone, or this process is about to.
        const failure = error instanceof PerdureError ? error : new PerdureError("network.unreachable", "The test was called off.");
        if (!OUTCOMES.has(failure.code)) throw failure;
        const { code, message, retryable } = failure;
        return { status: 200, body: { status: null, headers: {}, body: null, elapsed_ms: Date.now() - sentAt, error: { code, message, retryable } } };
      }
    },

    async listHttpRequests({ query, principal, c }) {
      const filter = {
        ...(query.workflow_id !== undefined && { workflowId: query.workflow_id }),
        ...(query.node_id !== undefined && { nodeId: query.node_id }),
        ...(query.from && { from: query.from }),
        ...(query.to && { to: query.to }),
      };
      const page = await httpLog.list(principal.tenantId, filter, toPage(query));
      return { status: 200, body: page.rows.map(toJson), headers: pageHeadersOf(c, page) };
    },
  };
}

/** @throws PerdureError `validation.failed` with all that is wrong. */
function inputsOf(body: object, rawBody: Json | undefined) {
  const findings: Finding[] = secretsIn(body, "");
  if (isObject(rawBody) && rawBody["credential"] != null) {
    const message = "is no field of a test: a graph that is run without being saved tries a credential";
    findings.push({ code: "validation.credential", message, path: "credential" });
  }
  const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
  const parsed = safeParse(httpRequestInputs, { ...given, timeout: undefined });
  const { timeout } = given;
  if (timeout !== undefined && !(parseDuration(timeout as string | number) ?? 0)) {
    findings.push({ code: "validation.duration", message: 'is no duration longer than nothing, such as "30s"', path: "timeout" });
  }
  if (!parsed.success) findings.push(...parsed.error.issues.map(({ code, message, path }) => ({ code: `validation.${code}`, message, path: path.join(".") })));
  if (findings.length > 0 || !parsed.success) throw new PerdureError("validation.failed", "The request is not valid.", { findings });
  return parsed.data;
}

/** Where a text names a secret: it would be sent as it stands, which nobody wants. */
function secretsIn(value: unknown, path: string): Finding[] {
  if (typeof value === "string") {
    const message = "names a secret; secrets are filled in within runs only";
    return /\{\{[^{}]*\bsecrets\b/.test(value) ? [{ code: "validation.secret", message, path }] : [];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => secretsIn(inner, path === "" ? key : `${path}.${key}`));
}

function refuseTooLarge(output: unknown, maxBytes: number): void {
  const bytes = Buffer.byteLength(JSON.stringify(output));
  if (bytes > maxBytes)
    throw new PerdureError("output.too_large", `The node's output would have ${bytes} bytes of JSON; ${maxBytes} are allowed (NODE_OUTPUT_MAX_BYTES).`);
}

function toJson(row: LoggedHttpRequest): LoggedHttpRequestJson {
  const refused = row.error ? refusedStatus(row.error.message) : undefined;
  return {
    execution_id: row.runId,
    workflow_id: row.workflowId,
    workflow_name: row.workflowName,
    node_id: row.nodeId,
    name: row.name,
    iteration: row.iteration,
    status: row.status,
    attempt: row.attempt,
    // A node whose inputs are kept and name no method has sent GET.
    method: row.method?.toUpperCase() ?? (row.url === null ? null : "GET"),
    url: row.url,
    status_code: row.answered ?? refused ?? null,
    error_code: row.error?.code ?? null,
    error_message: row.error?.message ?? null,
    started_at: row.startedAt.toISOString(),
    completed_at: row.completedAt?.toISOString() ?? null,
    duration_ms: row.durationMs,
  };
}
