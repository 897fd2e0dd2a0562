import { z } from "zod";
import { defineNode } from "../define.ts";
import { duration, flag, list, number, text, word } from "../inputs.ts";

export default defineNode({
  kind: "trigger",
  type: "WebhookTrigger",
  aliases: ["WebhookStartNode"],
  category: "triggers",
  displayName: "Webhook",
  description: "Where a run begins that an HTTP call from outside starts. Hands on what was sent.",
  inputs: z.object({
    authentication_required: flag().default(true).describe("Callers must send the webhook's token."),
    allowed_event_types: list(text()).default([]).describe("Event types that are taken; empty takes all."),
    max_payload_size: number((size) => size.int().positive())
      .default(1024)
      .describe("Largest body, in KiB."),
    rate_limit_per_minute: number((rate) => rate.int().nonnegative())
      .default(60)
      .describe("Calls a minute; 0 is no limit."),
    timeout: duration().default("30s").describe("How long a caller that waits for the run's result is kept."),
    enable_cors: flag().default(true).describe("Browsers of other origins may call."),
    node_behavior: word("auto", "start_only", "trigger_only").default("auto").describe("Whether a call starts a run, only feeds one, or what fits."),
  }),
  inputAliases: { webhook_timeout: "timeout", timeout_seconds: "timeout" },
  outputs: z.object({
    headers: z.record(z.string(), z.string()).describe("Headers of the call, names in lower case."),
    query: z.record(z.string(), z.unknown()).describe("Query parameters."),
    body: z.unknown().describe("What was sent."),
    event_type: z.string().describe("The event's type, where the caller named one."),
  }),
  outputAliases: { webhook_data: "body", payload: "body" },
  outputHandle: "webhook_data",
});
