import { PerdureError } from "#core";
import type { ControlStep } from "./control-step.ts";

/** ISO 8601 with a date; without a zone it is UTC, as all times of a run are. */
const ISO_DATE = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/i;

export const waitUntil: ControlStep = {
  begin({ step, inputs, input, now }) {
    const { until } = inputs;
    const match = typeof until === "string" ? ISO_DATE.exec(until.trim()) : null;
    const text = match?.[0].replace(" ", "T");
    const at = text === undefined ? Number.NaN : Date.parse(text.includes("T") && !match?.[1] ? `${text}Z` : text);
    if (Number.isNaN(at)) throw new PerdureError("validation.failed", `"${step.id}" needs a time in ISO 8601, such as "2027-01-31T09:00:00Z".`);
    const end = { ok: true, value: input } as const;
    return { kind: "timer", expiresAt: at, expire: () => end, ...(at <= now && { done: end }) };
  },
};
