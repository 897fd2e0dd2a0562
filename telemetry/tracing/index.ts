import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes, randomUUID } from "node:crypto";
import { type Context, diag, DiagLogLevel, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { Resource } from "@opentelemetry/resources";
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type IdGenerator,
  RandomIdGenerator,
  SamplingDecision,
  type SpanExporter,
} from "@opentelemetry/sdk-trace-base";
import { type Env, inLogContext, type Logger } from "#platform";
import { formatTraceparent, parseTraceparent, type TraceContext } from "./context.ts";
import { TRACING_OFF } from "./off.ts";
import { createSampler } from "./sampler.ts";
import type { LiveSpan, SpanSpec, Tracing } from "./types.ts";

export type TracingSettings = Pick<
  Env,
  | "OTEL_SDK_DISABLED"
  | "OTEL_EXPORTER_OTLP_ENDPOINT"
  | "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
  | "OTEL_EXPORTER_OTLP_HEADERS"
  | "OTEL_EXPORTER_OTLP_TIMEOUT"
  | "OTEL_SERVICE_NAME"
  | "OTEL_RESOURCE_ATTRIBUTES"
  | "OTEL_TRACES_SAMPLER"
  | "OTEL_TRACES_SAMPLER_ARG"
  | "OTEL_BSP_SCHEDULE_DELAY"
  | "OTEL_BSP_MAX_QUEUE_SIZE"
>;

export interface TracingOptions {
  settings: TracingSettings;
  /** `service.name`, unless OTEL_SERVICE_NAME says another. */
  service: string;
  version: string;
  logger: Logger;
  /** A test's own. @default OTLP over HTTP with protobuf */
  exporter?: SpanExporter;
}

const KINDS = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER, client: SpanKind.CLIENT } as const;
/** How long the end of a process waits for a collector. */
const CLOSE_WITHIN_MS = 3_000;
/** A collector that is away is told of once in this time. */
const COMPLAIN_EVERY_MS = 60_000;

/** Traces to the operator's collector; nothing where none is configured. Reads no environment. */
export function createTracing({ settings, service, version, logger, exporter }: TracingOptions): Tracing {
  const url = endpointOf(settings);
  if (settings.OTEL_SDK_DISABLED || (url === undefined && exporter === undefined)) return TRACING_OFF;
  complainSeldom(logger);
  const ids = createIds();
  const sampler = createSampler(settings.OTEL_TRACES_SAMPLER, settings.OTEL_TRACES_SAMPLER_ARG);
  const processor = new BatchSpanProcessor(
    exporter ?? new OTLPTraceExporter({ url: url ?? "", headers: settings.OTEL_EXPORTER_OTLP_HEADERS, timeoutMillis: settings.OTEL_EXPORTER_OTLP_TIMEOUT }),
    { scheduledDelayMillis: settings.OTEL_BSP_SCHEDULE_DELAY, maxQueueSize: settings.OTEL_BSP_MAX_QUEUE_SIZE },
  );
  const resource = new Resource({
    ...settings.OTEL_RESOURCE_ATTRIBUTES,
    "service.name": settings.OTEL_SERVICE_NAME ?? settings.OTEL_RESOURCE_ATTRIBUTES["service.name"] ?? service,
    "service.version": version,
    "service.instance.id": randomUUID(),
  });
  const provider = new BasicTracerProvider({ resource, sampler, idGenerator: ids, spanProcessors: [processor] });
  const live = provider.getTracer("perdure", version);
  // Whether a run is traced was decided when it began.
  const past = new BasicTracerProvider({ resource, sampler: createSampler("always_on", 1), idGenerator: ids, spanProcessors: [processor] }).getTracer(
    "perdure",
    version,
  );
  const underWay = new AsyncLocalStorage<TraceContext>();

  return {
    isOn: true,

    span<T>({ name, kind = "internal", attributes = {}, parent }: SpanSpec, work: (span: LiveSpan) => Promise<T>): Promise<T> {
      const above = parent === undefined ? underWay.getStore() : parseTraceparent(parent);
      const span = live.startSpan(name, { kind: KINDS[kind], attributes }, below(above));
      const { traceId, spanId, traceFlags } = span.spanContext();
      const here = { traceId, spanId, isSampled: (traceFlags & TraceFlags.SAMPLED) !== 0 };
      const told: LiveSpan = {
        rename: (changed) => void span.updateName(changed),
        set: (more) => void span.setAttributes(more),
        failed: (code) => void span.setStatus({ code: SpanStatusCode.ERROR }).setAttribute("error.type", code),
        traceparent: formatTraceparent(here),
      };
      return underWay.run(here, () => inLogContext({ trace_id: traceId, span_id: spanId }, () => work(told).finally(() => span.end())));
    },

    tell({ name, kind = "internal", attributes = {}, id, parent, startedAt, endedAt, error }) {
      const above = parseTraceparent(parent);
      if (!above?.isSampled) return;
      const isFirst = above.spanId === id;
      const options = { kind: KINDS[kind], attributes, startTime: startedAt };
      const span = ids.as({ spanId: id, traceId: above.traceId }, () => past.startSpan(name, options, isFirst ? ROOT_CONTEXT : below(above)));
      if (error) span.setStatus({ code: SpanStatusCode.ERROR }).setAttribute("error.type", error);
      span.end(endedAt);
    },

    current() {
      const here = underWay.getStore();
      return here && formatTraceparent(here);
    },

    begin(spanId) {
      const traceId = randomBytes(16).toString("hex");
      const { decision } = sampler.shouldSample(ROOT_CONTEXT, traceId, "run", SpanKind.INTERNAL, {}, []);
      return formatTraceparent({ traceId, spanId, isSampled: decision === SamplingDecision.RECORD_AND_SAMPLED });
    },

    async close() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CLOSE_WITHIN_MS);
      });
      await Promise.race([processor.shutdown().catch(() => undefined), late]);
      clearTimeout(timer);
    },
  };
}

/** As the OTLP specification has it: the general endpoint is a base, that of traces is complete. */
function endpointOf({ OTEL_EXPORTER_OTLP_ENDPOINT: base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: complete }: TracingSettings): string | undefined {
  if (complete !== undefined) return complete;
  return base === undefined ? undefined : `${base.replace(/\/+$/, "")}/v1/traces`;
}

function below(above: TraceContext | undefined): Context {
  if (!above) return ROOT_CONTEXT;
  const { traceId, spanId, isSampled } = above;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true });
}

interface Ids extends IdGenerator {
  /** Spans begun meanwhile, synchronously, have these ids. */
  as<T>(given: { spanId: string; traceId: string }, begin: () => T): T;
}

function createIds(): Ids {
  const random = new RandomIdGenerator();
  let next: { spanId: string; traceId: string } | undefined;
  return {
    generateSpanId: () => next?.spanId ?? random.generateSpanId(),
    generateTraceId: () => next?.traceId ?? random.generateTraceId(),
    as(given, begin) {
      next = given;
      try {
        return begin();
      } finally {
        next = undefined;
      }
    },
  };
}

/** What the SDK says of a collector that does not answer. It is about no run, and must not fill the log. */
function complainSeldom(logger: Logger): void {
  let saidAt = -Infinity;
  const say = (message: string): void => {
    if (performance.now() - saidAt < COMPLAIN_EVERY_MS) return;
    saidAt = performance.now();
    logger.warn({ reason: message.slice(0, 300) }, "traces could not be sent to the collector; spans are lost, runs go on");
  };
  const quiet = (): void => undefined;
  diag.setLogger({ error: say, warn: say, info: quiet, debug: quiet, verbose: quiet }, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}
