/** What the operator sees: metrics and traces. Nothing here may slow, change or fail a run. */
export { observeEnds } from "./ends.ts";
export { poolGauges } from "./metrics/pool.ts";
export { createMetrics, type GaugeReading, mayRead, type Metrics, METRICS } from "./metrics/index.ts";
export { openMetrics, readPage } from "./metrics/server.ts";
export { nodeTraceparent, parseTraceparent, runSpanId } from "./tracing/context.ts";
export { createTracing } from "./tracing/index.ts";
export { TRACING_OFF } from "./tracing/off.ts";
export type { LiveSpan, PastSpan, SpanSpec, Tracing } from "./tracing/types.ts";
