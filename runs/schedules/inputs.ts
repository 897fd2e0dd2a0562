import { type Finding, isObject, type Json, type JsonObject } from "#core";
import type { Schedule } from "#db";
import { localTime } from "./zones.ts";

/** One firing, as inputs may read it: `{{schedule.time}}`. */
export interface FiringFacts {
  schedule: Pick<Schedule, "id" | "name" | "workflowId" | "definition">;
  scheduledAt: Date;
  firedAt: Date;
  number: number;
  attempt: number;
}

const FIELDS = ["id", "name", "workflow_id", "timezone", "time", "local_time", "date", "fired_at", "number", "attempt"] as const;
type Field = (typeof FIELDS)[number];

const TEMPLATE = /\{\{\s*([^{}]*?)\s*\}\}/g;
const WHOLE = /^\{\{\s*schedule\.(\w+)\s*\}\}$/;

/** What the inputs of a schedule ask for that there is not. */
export function checkInputs(inputs: JsonObject): Finding[] {
  const findings: Finding[] = [];
  visit(inputs, "inputs", (text, path) => {
    for (const [, name = ""] of text.matchAll(TEMPLATE)) {
      if (isField(name.replace(/^schedule\./, "")) && name.startsWith("schedule.")) continue;
      findings.push({
        code: "schedule.template",
        message: `{{${name}}} is not known here; inputs of a schedule may read ${FIELDS.map((field) => `{{schedule.${field}}}`).join(", ")}`,
        path,
      });
    }
    return text;
  });
  return findings;
}

/** The inputs with what they read of the schedule. A text that is one template keeps the type of what it reads. */
export function renderInputs(inputs: JsonObject, facts: FiringFacts): JsonObject {
  const values = valuesOf(facts);
  return visit(inputs, "", (text) => {
    const whole = WHOLE.exec(text)?.[1];
    if (whole !== undefined && isField(whole)) return values[whole];
    return text.replaceAll(TEMPLATE, (template, name: string) => {
      const field = name.replace(/^schedule\./, "");
      return isField(field) ? String(values[field]) : template;
    });
  }) as JsonObject;
}

/** What a timer hands on. */
export function timerData({ scheduledAt, firedAt, number, schedule, attempt }: FiringFacts): JsonObject {
  return { scheduled_at: scheduledAt.toISOString(), fired_at: firedAt.toISOString(), execution_number: number, schedule_id: schedule.id, attempt };
}

function isField(text: string): text is Field {
  return (FIELDS as readonly string[]).includes(text);
}

function valuesOf({ schedule, scheduledAt, firedAt, number, attempt }: FiringFacts): Record<Field, string | number> {
  const local = localTime(scheduledAt, schedule.definition.timezone);
  return {
    id: schedule.id,
    name: schedule.name,
    workflow_id: schedule.workflowId,
    timezone: schedule.definition.timezone,
    time: scheduledAt.toISOString(),
    local_time: local,
    date: local.slice(0, 10),
    fired_at: firedAt.toISOString(),
    number,
    attempt,
  };
}

function visit(value: Json, path: string, change: (text: string, path: string) => Json): Json {
  if (typeof value === "string") return change(value, path);
  if (Array.isArray(value)) return value.map((item, index) => visit(item, `${path}.${index}`, change));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item, `${path}.${key}`, change)]));
}
