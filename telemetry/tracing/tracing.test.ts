import { InMemorySpanExporter, type ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { describe, expect, test } from "vitest";
import { createLogger, readEnv } from "#platform";
import { createTracing, nodeTraceparent, parseTraceparent, runSpanId, TRACING_OFF } from "../index.ts";
import { runTraceparent } from "./context.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const sampled = `00-${TRACE}-${SPAN}-01`;
const unsampled = `00-${TRACE}-${SPAN}-00`;
const logger = createLogger("test", "silent");

function traced(env: Record<string, string> = {}) {
  const exporter = new InMemorySpanExporter();
  const kept: ReadableSpan[] = [];
  const { export: send } = exporter;
  // What is exported stays readable after the end.
  exporter.export = (spans, done) => {
    kept.push(...spans);
    send.call(exporter, spans, done);
  };
  const settings = readEnv({ OTEL_BSP_SCHEDULE_DELAY: "10", ...env });
  const tracing = createTracing({ settings, service: "perdure-test", version: "1.2.3", logger, exporter });
  return { tracing, spans: async () => (await tracing.close(), kept) };
}

describe("traceparent", () => {
  test.each([
    "",
    "junk",
    `00-${TRACE}-${SPAN}`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  ])("K2: When a caller sends `%s`, then it is no place in a trace", (text) => expect(parseTraceparent(text)).toBeUndefined());

  test("K2: When ids of spans are made in two processes, then they agree, and differ between runs, nodes and iterations", () => {
    const node = { run_id: "r", node_id: "a", iteration: "" };
    expect(nodeTraceparent(sampled, node)).toBe(nodeTraceparent(sampled, { ...node }));
    const all = [
      runTraceparent(sampled, "r"),
      runTraceparent(sampled, "s"),
      nodeTraceparent(sampled, node),
      nodeTraceparent(sampled, { ...node, iteration: "1" }),
      nodeTraceparent(sampled, { ...node, node_id: "b" }),
      nodeTraceparent(sampled, { ...node, run_id: "s" }),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(all.every((text) => parseTraceparent(text)?.traceId === TRACE)).toBe(true);
    expect(parseTraceparent(runTraceparent(unsampled, "r"))?.isSampled).toBe(false);
  });
});

describe("tracing", () => {
  test("K2: When work is done within work, then its span is below the other's, also after waiting, and failures are told by code", async () => {
    const { tracing, spans } = traced();
    await tracing.span({ name: "outer", kind: "server", parent: sampled }, async (outer) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      await Promise.all([
        tracing.span({ name: "left", attributes: { "perdure.node.id": "a" } }, async (span) => span.failed("upstream.failed")),
        tracing.span({ name: "right" }, async () => Promise.reject(new Error("with a secret"))).catch(() => undefined),
      ]);
      expect(tracing.current()).toBe(outer.traceparent);
    });
    expect(tracing.current()).toBeUndefined();
    const found = new Map((await spans()).map((span) => [span.name, span]));
    expect(found.get("outer")?.parentSpanId).toBe(SPAN);
    expect(["left", "right"].map((name) => found.get(name)?.parentSpanId)).toEqual(Array.from({ length: 2 }, () => found.get("outer")?.spanContext().spanId));
    expect(found.get("left")?.attributes).toEqual({ "perdure.node.id": "a", "error.type": "upstream.failed" });
    expect(JSON.stringify([...found.values()].map(({ attributes, events, status }) => ({ attributes, events, status })))).not.toContain("secret");
    expect(found.get("left")?.resource.attributes).toMatchObject({ "service.name": "perdure-test", "service.version": "1.2.3" });
  });

  test("K2: When a run that nobody asked for within a trace is told of, then it is the first span of its own, with the id that its nodes hang below", async () => {
    const { tracing, spans } = traced();
    const begun = tracing.begin(runSpanId("r"));
    const at = { startedAt: new Date(1_000), endedAt: new Date(3_000) };
    tracing.tell({ name: "run", id: runSpanId("r"), parent: begun, ...at });
    tracing.tell({ name: "node", id: "1111111111111111", parent: runTraceparent(begun, "r") as string, ...at, error: "internal" });
    const [run, node] = await spans();
    expect([run?.parentSpanId, run?.spanContext().spanId, run?.duration]).toEqual([undefined, runSpanId("r"), [2, 0]]);
    expect([node?.parentSpanId, node?.spanContext().traceId, node?.status.code]).toEqual([runSpanId("r"), run?.spanContext().traceId, 2]);
  });

  test("K2: When the caller, or the sampler, wants no trace, then nothing of it is sent, however late", async () => {
    const { tracing, spans } = traced({ OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" });
    await tracing.span({ name: "request", parent: unsampled }, async ({ traceparent }) => expect(traceparent).toMatch(/-00$/));
    await tracing.span({ name: "request" }, async ({ traceparent }) => expect(traceparent).toMatch(/-00$/));
    const begun = tracing.begin(runSpanId("r"));
    expect(parseTraceparent(begun)?.isSampled).toBe(false);
    tracing.tell({ name: "run", id: runSpanId("r"), parent: begun, startedAt: new Date(), endedAt: new Date() });
    tracing.tell({ name: "run", id: runSpanId("r"), parent: sampled, startedAt: new Date(), endedAt: new Date() });
    expect((await spans()).map((span) => span.spanContext().traceId)).toEqual([TRACE]);
  });

  test("K2: When no endpoint is configured, or OTEL_SDK_DISABLED is set, then nothing is traced", async () => {
    const make = (env: Record<string, string>) => createTracing({ settings: readEnv(env), service: "s", version: "0", logger });
    expect(make({})).toBe(TRACING_OFF);
    expect(make({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318", OTEL_SDK_DISABLED: "true" })).toBe(TRACING_OFF);
    expect(await TRACING_OFF.span({ name: "s" }, async ({ traceparent }) => traceparent)).toBeUndefined();
  });

  test("K2: When the collector is not there, then work goes on and the end waits for it no longer than a few seconds", async () => {
    const tracing = createTracing({
      settings: readEnv({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9", OTEL_BSP_SCHEDULE_DELAY: "10" }),
      service: "s",
      version: "0",
      logger,
    });
    for (let n = 0; n < 5_000; n++) await tracing.span({ name: "s" }, async () => undefined);
    const startedAt = performance.now();
    await tracing.close();
    expect(performance.now() - startedAt).toBeLessThan(4_000);
  });
});
