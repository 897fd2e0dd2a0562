import { z } from "zod";
import { defineNode } from "../define.ts";
import { duration, flag, list, number, text, word } from "../inputs.ts";

export default defineNode({
  kind: "trigger",
  type: "WebhookTrigger",
  aliases: ["WebhookStartNode", "WebhookStart", "webhook_trigger"],
  category: "triggers",
  displayName: "Webhook",
  description: "Where a run begins that an HTTP call from outside starts. Hands on what was sent.",
  inputs: z.object({
    authentication_required: flag().default(true).describe("Callers must send the webhook's token, unless they sign what they send."),
    signature: word("none", "hmac", "standard", "github", "stripe", "slack")
      .default("none")
      .describe("How callers sign what they send with the webhook's signing secret; then no token is asked for."),
    signature_tolerance_seconds: number((seconds) => seconds.int().min(1).max(86_400))
      .default(300)
      .describe("How old, or how far ahead, the time in a signature may be."),
    allowed_ips: list(text()).default([]).describe("Addresses and CIDRs that may call; empty lets all."),
    allowed_event_types: list(text()).default([]).describe("Event types that are taken; empty takes all."),
    max_payload_size: number((size) => size.int().positive())
      .default(1024)
      .describe("Largest body, in KiB."),
    rate_limit_per_minute: number((rate) => rate.int().nonnegative())
      .default(60)
      .describe("Calls a minute, of which two minutes' may come at once; 0 is no limit."),
    timeout: duration().default("30s").describe("How long a caller that waits for the run's result is kept."),
    response_mode: word("result", "accepted")
      .default("result")
      .describe("Whether callers wait for a Respond node or the result, or are told at once that it was taken."),
    enable_cors: flag().default(true).describe("Browsers of other origins may call."),
    cors_origins: list(text()).default(["*"]).describe("Origins whose pages may call; `*` is all of them."),
    deduplication_key: text()
      .default("")
      .describe("Header, or template over what was sent (`{{body.id}}`), whose value names a call: the same one again finds the same run."),
    node_behavior: word("auto", "start_only", "trigger_only")
      .default("auto")
      .describe("Whether a call starts a run, only feeds one that waits for it, or what fits."),
  }),
  inputAliases: {
    webhook_timeout: "timeout",
    timeout_seconds: "timeout",
    ip_whitelist: "allowed_ips",
    allowed_origins: "cors_origins",
    validate_token: "authentication_required",
  },
  outputs: z.object({
    method: z.string().describe("Method of the call."),
    headers: z.record(z.string(), z.string()).describe("Headers of the call, names in lower case, without what proves who called."),
    query: z.record(z.string(), z.unknown()).describe("Query parameters; a list where one came several times."),
    body: z.unknown().describe("What was sent: JSON and forms as values, text as text, anything else as `{content_type, size, base64}`."),
    files: z.array(z.unknown()).describe("Files of a multipart form: `{field, filename, content_type, size, base64}`."),
    event_type: z.string().describe("The event's type, where the caller named one."),
    delivery_id: z.string().describe("Of this call."),
  }),
  outputAliases: { webhook_data: "body", payload: "body", request_body: "body" },
  outputHandle: "webhook_data",
  dialects: { deduplication_key: "literal" },
});
