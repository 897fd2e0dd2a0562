import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { createMetrics, METRICS } from "#telemetry";

const ops = new URL("../ops/", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ops), "utf8");

interface Query {
  where: string;
  expression: string;
}

interface Panel {
  title: string;
  targets?: { expr: string }[];
}

const dashboards = readdirSync(new URL("grafana/", ops)).map((file) => ({
  file,
  ...(JSON.parse(read(`grafana/${file}`)) as { uid: string; title: string; panels: Panel[] }),
}));
const alerts = (
  parse(read("prometheus/alerts.yaml")) as { groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[] }
).groups.flatMap(({ rules }) => rules);
const queries: Query[] = [
  ...dashboards.flatMap(({ file, panels }) =>
    panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ where: `${file}: ${title}`, expression: expr }))),
  ),
  ...alerts.map(({ alert, expr }) => ({ where: alert, expression: expr })),
];

/** What PromQL itself calls by a name. */
const WORDS = new Set(["and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "offset", "bool", "le"]);

/** Names of metrics in an expression: what is no function, no label and no keyword. */
function namesIn(expression: string): string[] {
  const bare = expression
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, "")
    .replaceAll(/\{[^}]*\}/g, " ")
    .replaceAll(/\[[^\]]*\]/g, " ")
    .replaceAll(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, " ");
  return [...bare.matchAll(/[a-zA-Z_:][\w:]*(?!\w)(\s*\()?/g)].flatMap(([word, call]) => (call !== undefined || WORDS.has(word.trim()) ? [] : [word.trim()]));
}

/** Labels that an expression asks for, with the metric they are asked of; `by (…)` counts for every metric of it. */
function labelsIn(expression: string): { metric: string; label: string }[] {
  const selected = [...expression.matchAll(/([a-zA-Z_:][\w:]*)\{([^}]*)\}/g)].flatMap(([, metric = "", inner = ""]) =>
    [...inner.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = ""]) => ({ metric, label })),
  );
  const grouped = [...expression.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, inner = ""]) =>
    inner.split(",").flatMap((label) => namesIn(expression).map((metric) => ({ metric, label: label.trim() }))),
  );
  return [...selected, ...grouped];
}

/** Told by Temporal's SDK; tests/e2e/metrics.test.ts sees them on a worker's page. */
const OF_TEMPORAL = { temporal_worker_task_slots_available: ["worker_type"], temporal_sticky_cache_size: [] as string[] };
/** What Prometheus adds to each. */
const OF_PROMETHEUS = new Set(["instance", "job"]);

async function exported(): Promise<Set<string>> {
  const pages = await Promise.all((["api", "worker"] as const).map((process) => createMetrics({ process, version: "0", entities: 0 }).page()));
  const types = pages.flatMap(({ text }) => [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", type]) => ({ name, type })));
  const plain = types.map(({ name }) => name);
  const ofHistograms = types.filter(({ type }) => type === "histogram").flatMap(({ name }) => [`${name}_bucket`, `${name}_sum`, `${name}_count`]);
  return new Set([...plain, ...ofHistograms, ...Object.keys(OF_TEMPORAL)]);
}

describe("dashboards and alerts", () => {
  test("K1: When a query names a metric, then some process exports it", async () => {
    const known = await exported();
    expect(queries.length).toBeGreaterThan(30);
    const unknown = queries.flatMap(({ where, expression }) => namesIn(expression).flatMap((name) => (known.has(name) ? [] : [`${where}: ${name}`])));
    expect(unknown).toEqual([]);
  });

  test("K1: When a query asks for a label, then the metric has it", () => {
    const labels: Readonly<Record<string, readonly string[]>> = {
      ...OF_TEMPORAL,
      ...Object.fromEntries(Object.entries(METRICS).map(([name, metric]) => [name, metric.type === "histogram" ? [...metric.labels, "le"] : metric.labels])),
    };
    const missing = queries.flatMap(({ where, expression }) =>
      labelsIn(expression).flatMap(({ metric, label }) => {
        const known = labels[metric] ?? labels[metric.replace(/_(bucket|sum|count)$/, "")];
        return known === undefined || known.includes(label) || OF_PROMETHEUS.has(label) ? [] : [`${where}: ${metric} has no ${label}`];
      }),
    );
    expect(missing).toEqual([]);
  });

  test("K1: When all queries are taken together, then every metric of ours is shown or watched somewhere", () => {
    const used = queries.flatMap(({ expression }) => namesIn(expression).map((name) => name.replace(/_(bucket|sum|count)$/, "")));
    expect(Object.keys(METRICS).filter((name) => !used.includes(name))).toEqual([]);
  });

  test("K1: When dashboards and alerts are read, then each has a name of its own and every alert says what is wrong", () => {
    expect(new Set(dashboards.map(({ uid }) => uid)).size).toBe(dashboards.length);
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
    for (const { alert, annotations } of alerts) expect(annotations.summary, alert).toMatch(/\.$/);
  });
});
