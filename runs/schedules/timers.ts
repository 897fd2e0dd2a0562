import { type Finding, isObject, type JsonObject, PerdureError } from "#core";
import type { OverlapPolicy, ScheduleType, TimerSchedule } from "#db";
import type { Compiled, Plan, Step } from "#graph";
import { defineSchedule, type ScheduleLimits } from "./definition.ts";
import { checkInputs } from "./inputs.ts";

const TIMER = "TimerStartNode";

/**
 * The schedules that a version's timers stand for. A timer of type `interval` without an interval has none, as one of type `manual` fires only by hand.
 * @throws PerdureError `graph.invalid` with everything that is wrong with them.
 */
export function timersOf(plan: Plan, limits: ScheduleLimits, now: Date): TimerSchedule[] {
  const findings: Finding[] = [];
  const timers = plan.steps.flatMap((step) => {
    if (step.type !== TIMER || !plan.entries.triggers.includes(step.id)) return [];
    const inputs = constantOf(step.inputs);
    const found = isObject(inputs)
      ? timerOf(step, inputs as JsonObject, limits, now)
      : { findings: [{ code: "schedule.invalid", message: "the inputs of a timer cannot be templates" }] };
    if (found && "findings" in found)
      findings.push(...found.findings.map(({ path, ...finding }) => ({ ...finding, node_id: step.id, ...(path !== undefined && { path: `inputs.${path}` }) })));
    return found && !("findings" in found) ? [found] : [];
  });
  if (findings.length > 0) throw new PerdureError("graph.invalid", "A timer of the graph cannot be scheduled.", { findings });
  return timers;
}

function timerOf(step: Step, inputs: JsonObject, limits: ScheduleLimits, now: Date): TimerSchedule | { findings: Finding[] } | undefined {
  const type = inputs["schedule_type"] as ScheduleType;
  if (type === "interval" && inputs["interval_seconds"] === undefined) return undefined;
  if (type === "once" && inputs["scheduled_time"] === undefined && inputs["delay_seconds"] === undefined) return undefined;
  const text = (name: string) => inputs[name] as string | undefined;
  const number = (name: string) => inputs[name] as number | undefined;
  const given = isObject(inputs["run_inputs"]) ? inputs["run_inputs"] : {};
  const retries = inputs["retry_on_failure"] === true;
  const defined = defineSchedule(
    {
      type,
      cron_expression: text("cron_expression"),
      timezone: text("timezone"),
      interval_seconds: number("interval_seconds"),
      offset_seconds: number("offset_seconds"),
      scheduled_time: text("scheduled_time"),
      delay_seconds: number("delay_seconds"),
      start_at: text("start_at"),
      end_at: text("end_at"),
      jitter_seconds: number("jitter_seconds"),
      overlap_policy: inputs["overlap_policy"] as OverlapPolicy | undefined,
      catchup_window_seconds: number("catchup_window_seconds"),
      max_executions: number("max_executions"),
      retry_on_failure: retries,
      retry_count: number("retry_count"),
      retry_delay_seconds: number("retry_delay_seconds"),
    },
    limits,
    now,
  );
  const problems = [...("findings" in defined ? defined.findings : []), ...checkInputs(given)];
  if (!("definition" in defined) || problems.length > 0) return { findings: problems };
  const enabled = inputs["enabled"] !== false && inputs["auto_trigger_workflow"] !== false;
  return { nodeId: step.id, name: step.name, definition: { ...defined.definition, timer_enabled: enabled }, inputs: given, enabled };
}

/** The value of what was written without templates. */
function constantOf(compiled: Compiled): unknown {
  if (compiled.k === "lit") return compiled.v;
  if (compiled.k !== "object") return undefined;
  const entries = compiled.fields.map(([key, value]) => [key, constantOf(value)] as const);
  return entries.some(([, value]) => value === undefined) ? undefined : Object.fromEntries(entries);
}
