import { PerdureError } from "#core";
import { z } from "zod";
import { defineNode } from "../define.ts";
import { duration } from "../inputs.ts";

const UNAVAILABLE = "arrives with the next release";

export default defineNode({
  kind: "activity",
  type: "Code",
  aliases: ["CodeNode"],
  category: "data",
  displayName: "Code",
  description: "Runs JavaScript in a sandbox.",
  inputs: z.object({
    code: z.string().min(1).describe("Body of a function of `input`, `inputs`, `variables`."),
    timeout: duration().default("2s").describe("How long it may run."),
  }),
  outputs: z.unknown().describe("What it returns."),
  dialects: { code: "literal" },
  local: true,
  policy: { timeout: "15s" },
  effect: "none",
  unavailable: UNAVAILABLE,
  run: () => Promise.reject(new PerdureError("configuration.invalid", `Code ${UNAVAILABLE}.`)),
});
