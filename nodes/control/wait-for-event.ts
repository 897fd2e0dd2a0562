import { z } from "zod";
import { defineNode } from "../define.ts";
import { duration, text } from "../inputs.ts";

export default defineNode({
  kind: "control",
  type: "WaitForEvent",
  category: "control",
  displayName: "Wait for event",
  description: "Waits for a named event from outside.",
  inputs: z.object({
    event: text().describe("Name of the event."),
    correlation: text().optional().describe("Only an event that carries this key."),
    timeout: duration().optional().describe("How long it waits; without it, for ever."),
  }),
  outputs: z.unknown().describe("The event's payload."),
  routes: ["output", "timeout"],
  unavailable: "arrives with the next release",
});
