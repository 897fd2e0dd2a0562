import { timingSafeEqual } from "node:crypto";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { boundedValues } from "./bounded.ts";
import { type CounterName, type GaugeName, type HistogramName, type LabelsOf, METRICS, type MetricName } from "./catalogue.ts";

export { METRICS } from "./catalogue.ts";

/** Values of one label of one metric that are told apart: node types, routes and codes are far fewer. */
const LABEL_VALUES_MAX = 500;
const ENTITY_LABELS: ReadonlySet<string> = new Set(["webhook_id", "collection_name"]);

/** A gauge's values now: of each combination of labels. What is not among them any more is gone from the page. */
export type GaugeReading = { [N in GaugeName]?: readonly { labels: LabelsOf<N>; value: number }[] };

export interface Metrics {
  count<N extends CounterName>(name: N, labels: LabelsOf<N>): void;
  /** In seconds. */
  observe<N extends HistogramName>(name: N, labels: LabelsOf<N>, seconds: number): void;
  add<N extends GaugeName>(name: N, labels: LabelsOf<N>, by: number): void;
  /** Asked anew for each page; one that fails is left out of it and counted in `perdure_scrape_problems`. */
  source(read: () => GaugeReading | Promise<GaugeReading>): void;
  /** Another page in the same format, to stand behind ours. */
  append(read: () => Promise<string>): void;
  page(): Promise<{ contentType: string; text: string }>;
}

export interface MetricsOptions {
  process: "api" | "worker";
  version: string;
  /** METRICS_ENTITIES: webhooks and collections that are told apart. */
  entities: number;
}

/** The metrics of this process. */
export function createMetrics({ process, version, entities }: MetricsOptions): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const made = new Map<MetricName, Counter | Gauge | Histogram>();
  const bounds = new Map<string, (value: string) => string>();
  const sources: (() => GaugeReading | Promise<GaugeReading>)[] = [];
  const pages: (() => Promise<string>)[] = [];

  for (const name of Object.keys(METRICS) as MetricName[]) {
    const { type, help, labels, from, ...rest } = METRICS[name];
    if (from !== "both" && from !== process) continue;
    const options = { name, help, labelNames: [...labels], registers: [registry] };
    const buckets = "buckets" in rest ? [...rest.buckets] : undefined;
    made.set(
      name,
      type === "counter" ? new Counter(options) : type === "gauge" ? new Gauge(options) : new Histogram({ ...options, ...(buckets && { buckets }) }),
    );
    for (const label of labels) bounds.set(`${name} ${label}`, boundedValues(ENTITY_LABELS.has(label) ? entities : LABEL_VALUES_MAX));
  }
  (made.get("perdure_build_info") as Gauge).set({ version, process }, 1);

  function bounded(name: string, labels: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(Object.entries(labels).map(([label, value]) => [label, bounds.get(`${name} ${label}`)?.(value) ?? value]));
  }

  async function readSources(): Promise<number> {
    const readings = await Promise.allSettled(sources.map(async (read) => read()));
    let problems = 0;
    for (const reading of readings) {
      if (reading.status === "rejected") {
        problems++;
        continue;
      }
      for (const [name, values] of Object.entries(reading.value)) {
        const gauge = made.get(name as MetricName) as Gauge | undefined;
        gauge?.reset();
        for (const { labels, value } of values) gauge?.set(bounded(name, labels), value);
      }
    }
    return problems;
  }

  return {
    count: (name, labels) => (made.get(name) as Counter | undefined)?.inc(bounded(name, labels)),
    observe: (name, labels, seconds) => (made.get(name) as Histogram | undefined)?.observe(bounded(name, labels), seconds),
    add: (name, labels, by) => (made.get(name) as Gauge | undefined)?.inc(bounded(name, labels), by),
    source: (read) => void sources.push(read),
    append: (read) => void pages.push(read),
    async page() {
      const [failed, others] = await Promise.all([readSources(), Promise.allSettled(pages.map((read) => read()))]);
      const appended = others.flatMap((page) => (page.status === "fulfilled" ? [page.value] : []));
      (made.get("perdure_scrape_problems") as Gauge).set(failed + others.length - appended.length);
      return { contentType: registry.contentType, text: [await registry.metrics(), ...appended].join("\n") };
    },
  };
}

/** Whether a request may read the page. Without a token configured nobody may. */
export function mayRead(authorization: string | undefined, token: string | undefined): boolean {
  if (token === undefined) return false;
  const given = Buffer.from(authorization?.replace(/^Bearer +/i, "").trim() ?? "");
  const wanted = Buffer.from(token);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
