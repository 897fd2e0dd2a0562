import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import protobuf from "protobufjs";

/** A span as a collector receives it. */
export interface CollectedSpan {
  traceId: string;
  spanId: string;
  /** Empty of the first span of a trace. */
  parentSpanId: string;
  name: string;
  /** `internal`, `server`, `client`. */
  kind: string;
  /** `service.name` of the process that sent it. */
  service: string;
  attributes: Record<string, string | number | boolean>;
  isError: boolean;
  startMs: number;
  endMs: number;
}

export interface OtlpCollector {
  /** As OTEL_EXPORTER_OTLP_ENDPOINT takes it. */
  readonly url: string;
  readonly spans: readonly CollectedSpan[];
  /** All bodies as they came, for looking for what must not be in them. */
  bytes(): Buffer;
  /** Headers of the newest request. */
  headers(): Record<string, string | string[] | undefined>;
  /** Answers everything with this status from now on. */
  answerWith(status: number): void;
  close(): Promise<void>;
}

/** What is needed of opentelemetry-proto 1.x, `trace.proto` and `common.proto`. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Request { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { repeated Span spans = 2; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
    fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; Status status = 15;
  }
  message Status { string message = 2; int32 code = 3; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
`);
const Request = root.lookupType("Request");
const KINDS = ["", "internal", "server", "client", "producer", "consumer"];
const ERROR = 2;

interface Decoded {
  resourceSpans: {
    resource: { attributes: KeyValue[] };
    scopeSpans: {
      spans: {
        traceId: string;
        spanId: string;
        parentSpanId: string;
        name: string;
        kind: number;
        startTimeUnixNano: string;
        endTimeUnixNano: string;
        attributes: KeyValue[];
        status?: { code: number };
      }[];
    }[];
  }[];
}
interface KeyValue {
  key: string;
  value: { stringValue?: string; boolValue?: boolean; intValue?: string; doubleValue?: number };
}

/** Takes spans over HTTP with protobuf and keeps them in memory. */
export async function startOtlpCollector(): Promise<OtlpCollector> {
  const spans: CollectedSpan[] = [];
  const bodies: Buffer[] = [];
  let status = 200;
  let headers: Record<string, string | string[] | undefined> = {};
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const sent = Buffer.concat(chunks);
      const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(sent) : sent;
      headers = request.headers;
      if (status === 200 && request.url === "/v1/traces") {
        bodies.push(body);
        spans.push(...decode(body));
      }
      response.writeHead(request.url === "/v1/traces" ? status : 404, { "content-type": "application/x-protobuf" }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    bytes: () => Buffer.concat(bodies),
    headers: () => headers,
    answerWith: (other) => void (status = other),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function decode(body: Buffer): CollectedSpan[] {
  const { resourceSpans } = Request.toObject(Request.decode(body), { longs: String, bytes: String, arrays: true, defaults: true }) as Decoded;
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(toRecord(resource.attributes)["service.name"]);
    return scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: hex(span.traceId),
        spanId: hex(span.spanId),
        parentSpanId: hex(span.parentSpanId),
        name: span.name,
        kind: KINDS[span.kind] ?? "",
        service,
        attributes: toRecord(span.attributes),
        isError: span.status?.code === ERROR,
        startMs: Number(BigInt(span.startTimeUnixNano) / 1000n) / 1000,
        endMs: Number(BigInt(span.endTimeUnixNano) / 1000n) / 1000,
      })),
    );
  });
}

function toRecord(pairs: KeyValue[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    pairs.map(({ key, value }) => [
      key,
      value.stringValue ?? value.boolValue ?? (value.intValue === undefined ? (value.doubleValue ?? "") : Number(value.intValue)),
    ]),
  );
}

function hex(base64: string): string {
  return Buffer.from(base64, "base64").toString("hex");
}

/** Spans of one trace as a tree of text, in the order in which they began. `label` says what a line shows. */
export function treeOf(spans: readonly CollectedSpan[], label: (span: CollectedSpan) => string): string {
  const known = new Set(spans.map(({ spanId }) => spanId));
  const inOrder = spans.toSorted((a, b) => a.startMs - b.startMs || a.endMs - b.endMs);
  const lines: string[] = [];
  const show = (span: CollectedSpan, indent: string, isLast: boolean, isTop: boolean): void => {
    lines.push(`${isTop ? "" : indent + (isLast ? "└─ " : "├─ ")}${label(span)}`);
    const below = inOrder.filter(({ parentSpanId }) => parentSpanId === span.spanId);
    for (const [at, child] of below.entries()) show(child, isTop ? "" : indent + (isLast ? "   " : "│  "), at === below.length - 1, false);
  };
  for (const span of inOrder.filter(({ parentSpanId }) => !known.has(parentSpanId))) show(span, "", true, true);
  return lines.join("\n");
}
