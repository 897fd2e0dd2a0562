import { z } from "zod";
import { defineNode } from "../define.ts";
import { duration } from "../inputs.ts";

export default defineNode({
  kind: "control",
  type: "Delay",
  aliases: ["Wait"],
  category: "control",
  displayName: "Delay",
  description: "Waits, durably: seconds or months, through any restart.",
  inputs: z.object({
    duration: duration().describe('`"30s"`, `"3 days"`, ISO 8601, or a number of seconds.'),
  }),
  inputAliases: { delay: "duration", seconds: "duration", delay_seconds: "duration" },
  outputs: z.unknown().describe("What arrived."),
});
