import type { ControlStep } from "./control-step.ts";
import { expiry } from "./expiry.ts";

/** Waits for an event by name and, where it has one, by correlation; what else an event carries is its value. */
export const waitForEvent: ControlStep = {
  begin(context) {
    const { event, correlation } = context.inputs;
    return {
      kind: "event",
      ...expiry(context, `No event "${String(event)}" came for "${context.step.id}" in time.`),
      show: { event: String(event), ...(typeof correlation === "string" && { correlation }) },
      receive: (sent) =>
        sent.name === event && (typeof correlation !== "string" || correlation === sent.correlation)
          ? { ok: true, value: sent.payload, route: "output" }
          : undefined,
    };
  },
};
