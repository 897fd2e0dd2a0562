import { z } from "zod";
import { defineNode } from "../define.ts";
import { duration, text } from "../inputs.ts";

export default defineNode({
  kind: "control",
  type: "WaitForEvent",
  aliases: ["WaitForEventNode", "wait_for_event", "EventWait", "WaitForSignal", "wait_for_signal"],
  category: "control",
  displayName: "Wait for event",
  description: "Waits for a named event from outside; one that came earlier in the run is kept for it.",
  inputs: z.object({
    event: text()
      .refine((name) => name.trim() !== "", { error: "must name an event" })
      .describe("Name of the event."),
    correlation: text().optional().describe("Only an event that carries this key."),
    timeout: duration().optional().describe("How long it waits; without it, for ever."),
  }),
  inputAliases: {
    event_name: "event",
    event_type: "event",
    signal: "event",
    signal_name: "event",
    correlation_key: "correlation",
    correlation_id: "correlation",
    wait_timeout: "timeout",
  },
  outputs: z.unknown().describe("The event's payload."),
  routes: ["output", "timeout"],
});
