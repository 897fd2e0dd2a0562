/** `"30s"`, `"5m"`, `"3 days"`, ISO 8601, or a number of seconds. */
export type Duration = string | number;

/** `data.settings` of a node; what is left out comes from its type. docs/graph.md says what each means. */
export interface NodeSettings {
  /** How many attempts, `false` for one, or the whole policy. */
  retry?:
    | number
    | false
    | {
        maximum_attempts?: number;
        initial_interval?: Duration;
        backoff_coefficient?: number;
        maximum_interval?: Duration;
        non_retryable?: readonly string[];
      };
  /** Of one attempt. */
  timeout?: Duration;
  /** Of all attempts. @default "1 day" */
  deadline?: Duration;
  /** `branch`: an edge from `on("error")` alone means it. @default "fail" */
  on_error?: "fail" | "continue" | "branch";
  /** @default "all" */
  join?: "all" | "any";
  disabled?: boolean;
  pinned_output?: unknown;
  cache?: { ttl: Duration; key?: string };
}

/** Settings of the graph's runs. */
export interface GraphSettings {
  execution?: "standard" | "express";
  /** Nodes at once. @default 16 */
  max_parallel?: number;
  deadline?: Duration;
  /** 1 is first, 5 last. */
  priority?: number;
}
