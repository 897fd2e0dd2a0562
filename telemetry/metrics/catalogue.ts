interface Described {
  type: "counter" | "gauge" | "histogram";
  help: string;
  labels: readonly string[];
  /** Upper bounds, of a histogram, in seconds. */
  buckets?: readonly number[];
  /** Which process tells it. `both`: add them up. `api`: about the installation, the same in every api process: take the largest. */
  from: "api" | "worker" | "both";
}

const SHORT = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const LONG = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600, 21_600, 86_400];

/**
 * Every metric of ours (K1). The unprefixed ones have the names of the documented systems. No label holds an organization, a user, a run or what
 * somebody typed in; how many webhooks and collections are told apart is METRICS_ENTITIES.
 */
export const METRICS = {
  node_executions_total: {
    type: "counter",
    help: "Nodes that have come to their end, each once, however many attempts it took. status: completed, failed, skipped, cancelled.",
    labels: ["node_type", "status"],
    from: "both",
  },
  node_execution_duration_seconds: {
    type: "histogram",
    help: "From the start of a node's first attempt to its end, waits and retries included; skipped nodes not.",
    labels: ["node_type"],
    buckets: [0.001, 0.005, ...LONG.filter((bound) => bound >= 0.05)],
    from: "both",
  },
  webhook_requests_total: {
    type: "counter",
    help: "Calls of webhook URLs. status: of the answer. webhook_id: other beyond METRICS_ENTITIES of them.",
    labels: ["webhook_id", "status"],
    from: "api",
  },
  vector_search_duration_seconds: {
    type: "histogram",
    help: "Searches in vector collections. collection_name: other beyond METRICS_ENTITIES of them.",
    labels: ["collection_name"],
    buckets: SHORT,
    from: "both",
  },
  active_workflows_total: {
    type: "gauge",
    help: "Runs that have not come to their end, of the installation. A gauge, for all its documented name.",
    labels: [],
    from: "api",
  },
  http_requests_total: {
    type: "counter",
    help: "Requests answered. route: the template of the API description; unmatched where there is none.",
    labels: ["method", "route", "status"],
    from: "api",
  },
  http_request_duration_seconds: {
    type: "histogram",
    help: "Until the answer began; streams and waits go on after that.",
    labels: ["method", "route"],
    buckets: SHORT,
    from: "api",
  },
  http_requests_in_flight: { type: "gauge", help: "Requests whose answer has not begun.", labels: [], from: "api" },
  perdure_rate_limit_refusals_total: { type: "counter", help: "Requests refused with 429 by a rate limit. limit: its name.", labels: ["limit"], from: "api" },
  perdure_runs_closed_total: { type: "counter", help: "Runs that have come to their end, each once.", labels: ["status", "trigger"], from: "both" },
  perdure_run_duration_seconds: {
    type: "histogram",
    help: "From the acceptance of a run to its end, queueing and waits included.",
    labels: ["status"],
    buckets: LONG,
    from: "both",
  },
  perdure_runs_open: { type: "gauge", help: "Runs that have not come to their end, of the installation, by status.", labels: ["status"], from: "api" },
  perdure_runs_queued: { type: "gauge", help: "Runs that wait behind a limit of concurrency, of the installation.", labels: [], from: "api" },
  perdure_runs_queued_oldest_seconds: { type: "gauge", help: "How long the first of them has waited.", labels: [], from: "api" },
  perdure_task_queue_backlog: { type: "gauge", help: "Tasks that Temporal holds for workers. type: workflow, activity.", labels: ["type"], from: "api" },
  perdure_task_queue_backlog_age_seconds: { type: "gauge", help: "How long the oldest of them has waited.", labels: ["type"], from: "api" },
  perdure_task_queue_pollers: { type: "gauge", help: "Pollers of workers that Temporal has seen lately.", labels: ["type"], from: "api" },
  perdure_node_attempts_total: {
    type: "counter",
    help: "Attempts of nodes, each one. outcome: completed, failed, cancelled.",
    labels: ["node_type", "outcome"],
    from: "worker",
  },
  perdure_node_attempts_running: { type: "gauge", help: "Attempts under way in this worker: its activity slots in use.", labels: [], from: "worker" },
  perdure_outgoing_requests_total: {
    type: "counter",
    help: "Requests that left for other systems. outcome: 2xx to 5xx, or the code of the failure.",
    labels: ["outcome"],
    from: "both",
  },
  perdure_outgoing_request_duration_seconds: { type: "histogram", help: "Of those that were answered.", labels: [], buckets: SHORT, from: "both" },
  perdure_circuits: {
    type: "gauge",
    help: "Circuit breakers of this worker that are not closed. state: open, half_open.",
    labels: ["kind", "state"],
    from: "worker",
  },
  perdure_event_queue_facts: { type: "gauge", help: "Facts of runs that wait to be written to PostgreSQL.", labels: [], from: "worker" },
  perdure_database_connections: { type: "gauge", help: "Of this process's pool. state: busy, idle, free (not opened).", labels: ["state"], from: "both" },
  perdure_database_waiting: { type: "gauge", help: "Statements that wait for a connection of the pool.", labels: [], from: "both" },
  perdure_scrape_problems: { type: "gauge", help: "Sources that did not answer for this page; what they tell is left out of it.", labels: [], from: "both" },
  perdure_build_info: { type: "gauge", help: "Always 1.", labels: ["version", "process"], from: "both" },
} as const satisfies Record<string, Described>;

export type MetricName = keyof typeof METRICS;
type OfType<T extends string> = { [N in MetricName]: (typeof METRICS)[N]["type"] extends T ? N : never }[MetricName];
export type CounterName = OfType<"counter">;
export type GaugeName = OfType<"gauge">;
export type HistogramName = OfType<"histogram">;
export type LabelsOf<N extends MetricName> = { readonly [L in (typeof METRICS)[N]["labels"][number]]: string };
