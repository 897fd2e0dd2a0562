import { describe, expect, test } from "vitest";
import { createLogger } from "#platform";
import { parseMetrics, sum } from "../../tests/support/metrics.ts";
import { createMetrics, mayRead, openMetrics, readPage } from "../index.ts";
import { METRICS } from "./catalogue.ts";

const make = (entities = 0) => createMetrics({ process: "api", version: "1", entities });
const samplesOf = async (metrics: ReturnType<typeof make>) => parseMetrics((await metrics.page()).text);
const logger = createLogger("test", "silent");

describe("metrics", () => {
  test("K1: When webhooks are called and vectors searched, then the documented names say so, and no more of them are told apart than METRICS_ENTITIES", async () => {
    const metrics = make(2);
    for (const id of ["wh_1", "wh_2", "wh_3", "wh_4", "wh_1"]) metrics.count("webhook_requests_total", { webhook_id: id, status: "200" });
    metrics.observe("vector_search_duration_seconds", { collection_name: "docs" }, 0.03);
    const samples = await samplesOf(metrics);
    expect(samples.filter(({ name }) => name === "webhook_requests_total").map(({ labels, value }) => [labels["webhook_id"], value])).toEqual([
      ["wh_1", 2],
      ["wh_2", 1],
      ["other", 2],
    ]);
    expect(sum(samples, "vector_search_duration_seconds_bucket", { collection_name: "docs", le: "0.025" })).toBe(0);
    expect(sum(samples, "vector_search_duration_seconds_bucket", { collection_name: "docs", le: "0.05" })).toBe(1);
    const none = make();
    none.count("webhook_requests_total", { webhook_id: "wh_1", status: "200" });
    expect(sum(await samplesOf(none), "webhook_requests_total", { webhook_id: "other" })).toBe(1);
  });

  test("K1: When a label takes ever new values, then there are no more than 501 series", async () => {
    const metrics = make();
    for (let n = 0; n < 2_000; n++) metrics.count("http_requests_total", { method: "GET", route: `/r${n}`, status: "200" });
    const samples = (await samplesOf(metrics)).filter(({ name }) => name === "http_requests_total");
    expect([samples.length, sum(samples, "http_requests_total", { route: "other" })]).toEqual([501, 1_500]);
  });

  test("K1: When a source does not answer, then the rest of the page is there and says so; and what is not told any more is gone", async () => {
    const metrics = make();
    let state = "running";
    metrics.source(() => Promise.reject(new Error("away")));
    metrics.source(() => ({ perdure_runs_open: [{ labels: { status: state }, value: 3 }] }));
    metrics.append(() => Promise.reject(new Error("away")));
    metrics.append(async () => "temporal_x 1");
    expect(sum(await samplesOf(metrics), "perdure_runs_open", { status: "running" })).toBe(3);
    state = "waiting";
    const samples = await samplesOf(metrics);
    expect([
      sum(samples, "perdure_runs_open", { status: "running" }),
      sum(samples, "perdure_runs_open"),
      sum(samples, "perdure_scrape_problems"),
      sum(samples, "temporal_x"),
    ]).toEqual([0, 3, 2, 1]);
  });

  test("F1: When the list of metrics is read, then no label names an organization, a user or a run", () => {
    const labels = new Set(Object.values(METRICS).flatMap(({ labels: of }) => [...of]));
    for (const label of ["tenant", "tenant_id", "organization", "organization_id", "user_id", "run_id", "workflow_id", "path", "host"])
      expect(labels).not.toContain(label);
  });
});

describe("who reads them", () => {
  test("F1: When there is no token, or another is sent, then nobody reads", () => {
    expect(mayRead("Bearer x", undefined)).toBe(false);
    expect(mayRead(undefined, "a token of some length")).toBe(false);
    expect(mayRead("Bearer a token of some lengtH", "a token of some length")).toBe(false);
    expect(mayRead("bearer a token of some length", "a token of some length")).toBe(true);
  });

  test("K1: When a port is configured, then it serves metrics and, where asked for, health, and nothing else", async () => {
    let isReady = false;
    const page = await openMetrics(0, { metrics: make(), host: "127.0.0.1", token: undefined, isReady: () => isReady, logger });
    const base = new URL(page?.url ?? "");
    const status = async (path: string, method = "GET") => (await fetch(new URL(path, base), { method })).status;
    expect([await status("/metrics"), await status("/metrics", "POST"), await status("/"), await status("/health"), await status("/health/ready")]).toEqual([
      200, 405, 404, 200, 503,
    ]);
    isReady = true;
    expect(await status("/health/ready")).toBe(200);
    expect(await readPage(base.href)).toContain("perdure_build_info");
    expect(await openMetrics(Number(base.port), { metrics: make(), host: "127.0.0.1", token: undefined, logger }), "a port that is taken").toBeUndefined();
    await page?.close();
    await expect(readPage(base.href)).rejects.toThrow();
    expect(await openMetrics(undefined, { metrics: make(), host: "127.0.0.1", token: undefined, logger })).toBeUndefined();
  });
});
