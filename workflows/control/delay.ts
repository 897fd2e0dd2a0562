import { parseDuration, PerdureError } from "#core";
import type { ControlStep } from "./control-step.ts";

export const delay: ControlStep = {
  begin({ step, inputs, input, now }) {
    const { duration } = inputs;
    const ms = typeof duration === "string" || typeof duration === "number" ? parseDuration(duration) : undefined;
    if (ms === undefined) throw new PerdureError("validation.failed", `"${step.id}" needs a duration such as "30s" or "P1D".`);
    const end = { ok: true, value: input } as const;
    return { kind: "timer", expiresAt: now + ms, expire: () => end, ...(ms === 0 && { done: end }) };
  },
};
