import type { RunningProcess } from "./processes.ts";

/** A sample of a page of metrics. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** Where the process said that it serves its metrics. */
export function metricsUrl({ logs }: Pick<RunningProcess, "logs">): string {
  const url = /"metrics":"(http[^"]+)"/.exec(logs())?.[1];
  if (url === undefined) throw new Error("the process serves no metrics");
  return url;
}

export async function readMetrics(url: string, headers: Record<string, string> = {}): Promise<Sample[]> {
  const answer = await fetch(url, { headers });
  if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}`);
  return parseMetrics(await answer.text());
}

/** Reads Prometheus' text format. */
export function parseMetrics(text: string): Sample[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, name = "", inner = "", value = ""] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
      const labels = Object.fromEntries([...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, of]) => [label ?? "", of ?? ""]));
      return { name, labels, value: Number(value) };
    });
}

/** Names of the metrics of a page, also of those that have no samples. */
export function metricNames(text: string): Set<string> {
  return new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name ?? ""));
}

/** Added up over all samples that have these labels. */
export function sum(samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number {
  return samples
    .filter((sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((total, { value }) => total + value, 0);
}
