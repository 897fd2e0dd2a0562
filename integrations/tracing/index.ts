/** Requests of nodes as spans and numbers. Host, port, method and status are told; paths, headers and bodies never. */
import { PerdureError, toFailureValue } from "#core";
import type { HttpRequestSpec } from "#nodes";
import type { LiveSpan, Metrics, Tracing } from "#telemetry";
import { addressPolicy } from "../http/addresses.ts";
import type { Http } from "../http/index.ts";

export interface TracedHttpOptions {
  tracing: Tracing;
  metrics: Pick<Metrics, "count" | "observe">;
  /** TRACE_OUTBOUND_HOSTS: those that are sent `traceparent`. */
  hosts: readonly string[];
}

const HEADER = "traceparent";

/** The same service; each request is a span below what is under way. Redirects belong to the request that met them. */
export function traceHttp<T extends Pick<Http, "request" | "guardedFetch">>(http: T, { tracing, metrics, hosts }: TracedHttpOptions): T {
  const policy = addressPolicy(hosts);
  const isTold = (url: URL): boolean => policy.allowsHost(url.hostname, portOf(url)) || namesAddress(hosts, url);

  async function watched<R extends { status: number }>(method: string, url: URL | null, send: (span: LiveSpan) => Promise<R>): Promise<R> {
    const startedAt = performance.now();
    const attributes = { "http.request.method": method, "server.address": url?.hostname, "server.port": url ? portOf(url) : undefined };
    return tracing.span({ name: `HTTP ${method}`, kind: "client", attributes }, async (span) => {
      try {
        const response = await send(span);
        span.set({ "http.response.status_code": response.status });
        if (response.status >= 400) span.failed(String(response.status));
        metrics.count("perdure_outgoing_requests_total", { outcome: `${Math.floor(response.status / 100)}xx` });
        metrics.observe("perdure_outgoing_request_duration_seconds", {}, (performance.now() - startedAt) / 1000);
        return response;
      } catch (error) {
        const code = error instanceof PerdureError ? error.code : toFailureValue(error).code;
        span.failed(code);
        metrics.count("perdure_outgoing_requests_total", { outcome: code });
        throw error;
      }
    });
  }

  const request: Http["request"] = (spec, signal) => {
    const url = URL.parse(spec.url);
    return watched(spec.method.toUpperCase(), url, (span) => http.request(url && isTold(url) ? withTrace(spec, span) : spec, signal));
  };
  const guardedFetch: Http["guardedFetch"] = (tenantId, options) => {
    const send = http.guardedFetch(tenantId, options);
    return (input, init) => {
      const url = URL.parse(typeof input === "string" ? input : input instanceof URL ? input.href : input.url);
      const method = init?.method ?? (input instanceof Request ? input.method : "GET");
      return watched(method.toUpperCase(), url, (span) => {
        if (!url || span.traceparent === undefined || !isTold(url)) return send(input, init);
        const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
        if (!headers.has(HEADER)) headers.set(HEADER, span.traceparent);
        return send(input, { ...init, headers });
      });
    };
  };
  return { ...http, request, guardedFetch };
}

/** What the graph itself sends goes before. */
function withTrace(spec: HttpRequestSpec, { traceparent }: LiveSpan): HttpRequestSpec {
  if (traceparent === undefined || Object.keys(spec.headers).some((name) => name.toLowerCase() === HEADER)) return spec;
  return { ...spec, headers: { ...spec.headers, [HEADER]: traceparent } };
}

function portOf(url: URL): number {
  return Number(url.port) || (url.protocol === "https:" ? 443 : 80);
}

/** An address is told where the list names that very one. */
function namesAddress(hosts: readonly string[], url: URL): boolean {
  return hosts.includes(url.hostname) || hosts.includes(`${url.hostname}:${portOf(url)}`);
}
