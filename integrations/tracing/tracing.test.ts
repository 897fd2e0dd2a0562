import { expect, test } from "vitest";
import { PerdureError } from "#core";
import type { HttpRequestSpec } from "#nodes";
import type { LiveSpan, SpanSpec, Tracing } from "#telemetry";
import type { Http } from "../http/index.ts";
import { traceHttp } from "./index.ts";

const TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const spec = (url: string, headers: Record<string, string> = {}): HttpRequestSpec => ({
  tenantId: "t",
  method: "post",
  url,
  headers,
  timeoutMs: 1_000,
  followRedirects: true,
  verifyTls: true,
});

function bench(hosts: string[], answer: () => Promise<{ status: number }> = async () => ({ status: 200 })) {
  const sent: Record<string, string>[] = [];
  const spans: (SpanSpec & { set: object; failed?: string })[] = [];
  const counted: string[] = [];
  const tracing: Pick<Tracing, "span"> = {
    async span<T>(made: SpanSpec, work: (span: LiveSpan) => Promise<T>): Promise<T> {
      const kept = { ...made, set: {} as object, failed: undefined as string | undefined };
      spans.push(kept as (typeof spans)[number]);
      return work({
        rename: () => undefined,
        set: (attributes) => void Object.assign(kept.set, attributes),
        failed: (code) => void (kept.failed = code),
        traceparent: TRACEPARENT,
      });
    },
  };
  const http: Pick<Http, "request" | "guardedFetch"> = {
    request: async ({ headers }) => {
      sent.push(headers);
      return { headers: {}, body: new Uint8Array(), url: "", ...(await answer()) };
    },
    guardedFetch: () => async (_input, init) => {
      sent.push(Object.fromEntries(new Headers(init?.headers)));
      return new Response(null, { status: (await answer()).status });
    },
  };
  const metrics = { count: (_name: string, labels: object) => void counted.push(JSON.stringify(labels)), observe: () => undefined };
  return { traced: traceHttp(http, { tracing: tracing as Tracing, metrics, hosts }), sent, spans, counted };
}

test.each([
  [[], "https://api.example.com/x", false],
  [["api.example.com"], "https://api.example.com/x", true],
  [["api.example.com"], "https://evil.example.com/x", false],
  [["*.example.com"], "https://api.example.com/x", true],
  [["api.example.com:8443"], "https://api.example.com/x", false],
  [["api.example.com:8443"], "https://api.example.com:8443/x", true],
  [["127.0.0.1:9000"], "http://127.0.0.1:9000/x", true],
  [["127.0.0.1:9000"], "http://127.0.0.1:9001/x", false],
])("K2: When TRACE_OUTBOUND_HOSTS is %j and %s is called, then the trace is sent along: %j", async (hosts, url, isTold) => {
  const { traced, sent } = bench(hosts);
  await traced.request(spec(url), new AbortController().signal);
  await traced.guardedFetch("t")(url);
  expect(sent.map((headers) => headers["traceparent"])).toEqual(isTold ? [TRACEPARENT, TRACEPARENT] : [undefined, undefined]);
});

test("K2: When the graph sends a traceparent of its own, then that is what is sent", async () => {
  const { traced, sent } = bench(["api.example.com"]);
  await traced.request(spec("https://api.example.com/", { TraceParent: "mine" }), new AbortController().signal);
  await traced.guardedFetch("t")("https://api.example.com/", { headers: { traceparent: "mine" } });
  expect(sent).toEqual([{ TraceParent: "mine" }, { traceparent: "mine" }]);
});

test("K2 F6: When a request is traced, then method, host, port and status are told, and neither its path nor its headers", async () => {
  const { traced, spans, counted } = bench([], async () => ({ status: 503 }));
  await traced.request(spec("https://api.example.com:8443/secret?key=secret", { "x-token": "secret" }), new AbortController().signal);
  expect(spans).toEqual([
    {
      name: "HTTP POST",
      kind: "client",
      attributes: { "http.request.method": "POST", "server.address": "api.example.com", "server.port": 8443 },
      set: { "http.response.status_code": 503 },
      failed: "503",
    },
  ]);
  expect(counted).toEqual(['{"outcome":"5xx"}']);
});

test("K1 K2: When no answer comes, then the code of the failure is told and the failure is thrown on", async () => {
  const failure = new PerdureError("network.timed_out", "with a secret");
  const { traced, spans, counted } = bench([], () => Promise.reject(failure));
  await expect(traced.request(spec("https://api.example.com/"), new AbortController().signal)).rejects.toBe(failure);
  expect([spans[0]?.failed, counted]).toEqual(["network.timed_out", ['{"outcome":"network.timed_out"}']]);
});
