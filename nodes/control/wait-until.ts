import { z } from "zod";
import { defineNode } from "../define.ts";

const MOMENT = /^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2}))?$/;

export default defineNode({
  kind: "control",
  type: "WaitUntil",
  category: "control",
  displayName: "Wait until",
  description: "Waits for a moment, durably. A moment that has passed lets it go on at once.",
  inputs: z.object({
    until: z
      .string()
      .refine((value) => MOMENT.test(value) && !Number.isNaN(Date.parse(value)), {
        error: "is no moment: write ISO 8601 with Z or an offset (2030-01-31T09:00:00Z), or a date, which begins at midnight UTC",
      })
      .describe("ISO 8601 with `Z` or an offset; a date alone begins at midnight UTC."),
  }),
  inputAliases: { date: "until", datetime: "until" },
  outputs: z.unknown().describe("What arrived."),
});
