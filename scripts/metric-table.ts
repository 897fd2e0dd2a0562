import { METRICS } from "../telemetry/metrics/catalogue.ts";

/** `docs/metrics.md`: what each metric says. */
export function metricTable(): string {
  const rows = Object.entries(METRICS).map(([name, { type, labels, from, help }]) => {
    const where = { api: "api", worker: "worker", both: "api, worker" }[from];
    return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(" ")} | ${where} | ${help} |`;
  });
  return `<!-- Written by \`npm run gen\`. Do not edit. -->

# Metrics

What processes tell of themselves is added up (\`sum\`); what api processes tell of the installation is the same from each (\`max\`). Beside these, every process has \`process_*\` and \`nodejs_*\` of [prom-client](https://github.com/siimon/prom-client), and workers have \`temporal_*\` of Temporal's SDK. [operations.md](operations.md) says how they are read.

| metric | type | labels | from | |
|---|---|---|---|---|
${rows.join("\n")}
`;
}
