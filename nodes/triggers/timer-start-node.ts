import { parseCron } from "#core";
import { z } from "zod";
import { defineNode } from "../define.ts";
import { flag, number, text, word } from "../inputs.ts";

export default defineNode({
  kind: "trigger",
  type: "TimerStartNode",
  aliases: ["TimerStart", "TimerTrigger"],
  category: "triggers",
  displayName: "Timer",
  description: "Where a run begins that a schedule starts. Hands on which firing it is.",
  inputs: z
    .object({
      schedule_type: word("cron", "interval", "once", "manual").default("interval").describe("How the moments are chosen."),
      cron_expression: text().optional().describe("Minute, hour, day of month, month, day of week; with six fields, seconds first. For `cron`."),
      interval_seconds: number((seconds) => seconds.positive())
        .optional()
        .describe("Seconds between firings. For `interval`."),
      delay_seconds: number((seconds) => seconds.nonnegative())
        .optional()
        .describe("Seconds until the only firing. For `once`."),
      scheduled_time: text().optional().describe("Moment of the only firing, ISO 8601. For `once`."),
      offset_seconds: number((seconds) => seconds.int().nonnegative())
        .optional()
        .describe("Of an interval: its moments are those at which the seconds since 1970 less this are a multiple of it."),
      start_at: text().optional().describe("No firing before it, ISO 8601."),
      end_at: text().optional().describe("No firing after it, ISO 8601."),
      jitter_seconds: number((seconds) => seconds.int().nonnegative())
        .optional()
        .describe("Each firing is put off by a random part of it."),
      overlap_policy: word("allow_all", "skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other")
        .optional()
        .describe("What becomes of a firing that comes while the run of an earlier one has not ended."),
      catchup_window_seconds: number((seconds) => seconds.int().positive())
        .optional()
        .describe("How late a firing may come after an outage."),
      run_inputs: z.record(z.string(), z.unknown()).optional().describe("Handed on with what the timer says. Without templates."),
      timezone: text().default("UTC").describe("IANA time zone in which `cron_expression` is read."),
      enabled: flag().default(true).describe("Off keeps the schedule without firing."),
      auto_trigger_workflow: flag().default(true).describe("A firing starts a run by itself."),
      max_executions: number((count) => count.int().nonnegative())
        .default(0)
        .describe("Firings in all; 0 is no limit."),
      retry_on_failure: flag().default(false).describe("A run that failed is started again."),
      retry_count: number((count) => count.int().min(0).max(100))
        .default(3)
        .describe("How often, with `retry_on_failure`."),
      retry_delay_seconds: number((seconds) => seconds.int().nonnegative())
        .optional()
        .describe("Time before a run is started again."),
    })
    .refine((inputs) => inputs.schedule_type !== "cron" || (inputs.cron_expression ?? "") !== "", {
      path: ["cron_expression"],
      error: "is required when schedule_type is cron",
    })
    .superRefine(({ schedule_type: type, cron_expression: expression = "" }, context) => {
      const parsed = type === "cron" && expression !== "" ? parseCron(expression) : undefined;
      for (const message of parsed?.ok === false ? parsed.problems : []) context.addIssue({ code: "custom", path: ["cron_expression"], message });
    }),
  inputAliases: { timer_type: "schedule_type", cron: "cron_expression", is_enabled: "enabled", time_zone: "timezone" },
  outputs: z.object({
    scheduled_at: z.string().describe("When it was due, ISO 8601 UTC."),
    fired_at: z.string().describe("When it fired, ISO 8601 UTC."),
    execution_number: z.number().int().describe("1 for the first firing."),
  }),
  outputAliases: { trigger_time: "fired_at" },
  outputHandle: "timer_data",
});
