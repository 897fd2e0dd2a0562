import { isObject, type Json, parseDuration, safeParse } from "#core";
import { z } from "zod";
import type { NodeType } from "../catalogue.ts";
import type { Findings } from "../findings.ts";
import type { Nearest } from "../nearest.ts";
import { toSnakeCase } from "../normalise.ts";
import type { PlanSettings, StepPolicy } from "../plan.ts";
import { compileConcurrency, concurrencyFields, concurrencySchema } from "./concurrency.ts";

/** Where neither the node nor its type says otherwise. */
export const DEFAULT_ATTEMPTS = 3;
export const DEFAULT_TIMEOUT = "1 minute";
export const DEFAULT_DEADLINE = "1 day";
export const DEFAULT_MAX_PARALLEL = 16;
export const MOST_PARALLEL = 50;
/** The longest a node may take and run beside the workflow. */
const EXPRESS_MS = 5_000;
/** As far as timers reach: a little over 10 years. */
const LONGEST_MS = 3_660 * 864e5;

const duration = z.union([z.string(), z.number()], "must be a duration such as `30s`, `5m`, `3 days` or ISO 8601").transform((value, context) => {
  const ms = parseDuration(value);
  if (ms !== undefined && ms > 0 && ms <= LONGEST_MS) return ms;
  context.addIssue("must be a duration such as `30s`, `5m`, `3 days` or ISO 8601");
  return z.NEVER;
});
const attempts = z.number().int().min(1).max(1_000);

const retrySchema = z.object({
  maximum_attempts: attempts.optional(),
  initial_interval: duration.optional(),
  backoff_coefficient: z.number().min(1).max(100).optional(),
  maximum_interval: duration.optional(),
  non_retryable: z.array(z.string()).optional(),
});

/** A node's `data.settings`, field by field: a wrong one does not hide the others. */
const nodeFields = {
  retry: z.union([attempts.transform((count) => ({ maximum_attempts: count })), z.literal(false).transform(() => ({ maximum_attempts: 1 })), z.unknown()]),
  timeout: duration,
  deadline: duration,
  on_error: z.enum(["fail", "continue", "branch"]),
  join: z.enum(["all", "any"]),
  disabled: z.boolean(),
  pinned_output: z.unknown(),
  cache: z.object({ ttl: duration, key: z.string().optional() }),
} as const;

const graphFields = {
  execution: z.enum(["standard", "express"]),
  max_parallel: z.number().int().min(1).max(MOST_PARALLEL),
  deadline: duration,
  cleanup_timeout: duration,
  priority: z.number().int().min(1).max(5),
  concurrency: concurrencySchema,
} as const;

export interface NodeSettings {
  policy: StepPolicy;
  on_error?: "fail" | "continue" | "branch";
  join: "all" | "any";
  disabled: boolean;
  pinned_output?: { value: Json };
  cache?: { ttl_ms: number; key: string | undefined };
  /** Runs beside the workflow, as a local activity, because the graph is an express one (graph.md 5). */
  isLocal: boolean;
}

interface SettingsContext {
  findings: Findings;
  nearest: Nearest;
  nodeId?: string;
  /** Whether the graph asks for `execution: express`. */
  isExpress?: boolean;
}

/** In an express graph, calls are held to what may run beside the workflow; those of models are slow by nature. */
function defaultTimeoutMs(type: NodeType, isExpress: boolean): number {
  const ms = parseDuration(type.policy?.timeout ?? DEFAULT_TIMEOUT) ?? 60_000;
  return isExpress && type.provides === undefined ? Math.min(ms, EXPRESS_MS) : ms;
}

/** Reads a node's settings; what it does not give comes from its type, then from the defaults above. */
export function readNodeSettings(raw: unknown, type: NodeType, context: SettingsContext): NodeSettings {
  const given = readFields(raw, nodeFields, "settings", context);
  const retry = readFields(given.retry, retrySchema.shape, "settings.retry", context);
  const settings: NodeSettings = {
    policy: {
      maximum_attempts: retry.maximum_attempts ?? type.policy?.attempts ?? DEFAULT_ATTEMPTS,
      initial_interval_ms: retry.initial_interval ?? 1_000,
      backoff_coefficient: retry.backoff_coefficient ?? 2,
      maximum_interval_ms: Math.max(retry.maximum_interval ?? 60_000, retry.initial_interval ?? 1_000),
      non_retryable: retry.non_retryable ?? [],
      timeout_ms: given.timeout ?? defaultTimeoutMs(type, context.isExpress === true),
      deadline_ms: given.deadline ?? parseDuration(DEFAULT_DEADLINE) ?? 864e5,
    },
    join: given.join ?? "all",
    disabled: given.disabled ?? false,
    isLocal: false,
  };
  settings.isLocal = context.isExpress === true && type.kind === "activity" && settings.policy.timeout_ms <= EXPRESS_MS;
  if (given.on_error !== undefined) settings.on_error = given.on_error;
  if (given.pinned_output !== undefined && given.pinned_output !== null) settings.pinned_output = { value: given.pinned_output as Json };
  if (given.cache !== undefined) {
    if (type.kind === "activity") settings.cache = { ttl_ms: given.cache.ttl, key: given.cache.key };
    else context.findings.warn("settings.no_effect", `\`cache\` has no effect: ${type.type} makes no call.`, where("settings.cache", context));
  }
  return settings;
}

/** Reads the graph's own settings. */
export function readGraphSettings(raw: unknown, context: SettingsContext): PlanSettings {
  const given = readFields(raw, graphFields, "settings", context);
  const settings: PlanSettings = { execution: given.execution ?? "standard", max_parallel: given.max_parallel ?? DEFAULT_MAX_PARALLEL };
  if (given.deadline !== undefined) settings.deadline_ms = given.deadline;
  if (given.cleanup_timeout !== undefined) settings.cleanup_ms = given.cleanup_timeout;
  if (given.priority !== undefined) settings.priority = given.priority;
  if (given.concurrency !== undefined) {
    const concurrency = compileConcurrency(
      readFields(given.concurrency, concurrencyFields, "settings.concurrency", context),
      context.findings,
      context.nearest,
    );
    if (concurrency !== undefined) settings.concurrency = concurrency;
  }
  return settings;
}

type Fields = Record<string, z.ZodType>;
type Read<F extends Fields> = { [K in keyof F]?: z.output<F[K]> };

function readFields<F extends Fields>(raw: unknown, fields: F, path: string, context: SettingsContext): Read<F> {
  const result: Record<string, unknown> = {};
  if (raw === undefined || raw === null) return result as Read<F>;
  if (!isObject(raw)) {
    context.findings.problem("settings.invalid", `\`${path}\` must be an object.`, where(path, context));
    return result as Read<F>;
  }
  for (const [written, value] of Object.entries(raw)) {
    const name = Object.hasOwn(fields, written) ? written : toSnakeCase(written);
    const schema = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (schema === undefined) {
      const hint = context.nearest.hint(name, Object.keys(fields));
      context.findings.warn("settings.unknown", `There is no setting \`${path}.${written}\`; it is ignored.`, {
        ...where(`${path}.${written}`, context),
        hint,
      });
      continue;
    }
    if (value === null) continue;
    const parsed = safeParse(schema, value);
    if (parsed.success) result[name] = parsed.data;
    for (const issue of parsed.error?.issues ?? []) {
      const place = [path, name, ...issue.path.map(String)].join(".");
      context.findings.problem("settings.invalid", `\`${place}\`: ${issue.message}.`, where(place, context));
    }
  }
  return result as Read<F>;
}

function where(path: string, context: SettingsContext): { path: string; node_id?: string } {
  return context.nodeId === undefined ? { path } : { path, node_id: context.nodeId };
}

/** `data.settings` of a node, as it is written. Defaults and meaning: docs/graph.md. */
export type NodeSettingsInput = { [K in Exclude<keyof typeof nodeFields, "retry">]?: z.input<(typeof nodeFields)[K]> } & {
  /** How many attempts, `false` for one, or the whole policy. */
  retry?: number | false | z.input<typeof retrySchema>;
};

/** `settings` of a graph, as they are written. */
export type GraphSettingsInput = { [K in keyof typeof graphFields]?: z.input<(typeof graphFields)[K]> };
