import { PerdureError } from "#core";
import { z } from "zod";
import { defineNode } from "../define.ts";
import { number, word } from "../inputs.ts";

/** Of a body, in characters of JSON. */
const BODY_MAX_LENGTH = 4 * 1024 * 1024;

export default defineNode({
  kind: "activity",
  type: "RespondToWebhook",
  aliases: ["Respond", "RespondNode", "WebhookResponse", "respond_to_webhook"],
  category: "http",
  displayName: "Respond to webhook",
  description: "Answers the call of the webhook that started the run, while the run goes on. The first one to run answers.",
  inputs: z.object({
    status: number((status) => status.int().min(200).max(599))
      .default(200)
      .describe("HTTP status."),
    headers: z.record(z.string(), z.unknown()).default({}).describe("Headers of the answer. Cookies, and those that protect browsers, are left out."),
    body: z.unknown().optional().describe("The answer: text as it is, anything else as JSON; without it, what arrives."),
    encoding: word("auto", "base64").default("auto").describe("`base64`: the body is text that stands for bytes."),
  }),
  inputAliases: { status_code: "status", response_code: "status", response_headers: "headers", response_body: "body", data: "body" },
  outputs: z.object({
    status: z.number().int().describe("HTTP status."),
    headers: z.record(z.string(), z.string()).describe("Headers of the answer."),
    body: z.unknown().describe("The answer."),
    encoding: z.enum(["auto", "base64"]).describe("How the body stands for the answer."),
  }),
  local: true,
  policy: { timeout: "10s" },
  effect: "none",
  run: ({ status, headers, body, encoding }, { input }) => {
    const answer = body === undefined ? input : body;
    if ((JSON.stringify(answer) ?? "").length > BODY_MAX_LENGTH) {
      throw new PerdureError("output.too_large", `The answer has more than ${BODY_MAX_LENGTH} characters.`);
    }
    if (encoding === "base64" && (typeof answer !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(answer))) {
      throw new PerdureError("handler.rejected", "With the encoding base64 the body is base64 text.");
    }
    return Promise.resolve({ value: { status, headers: textHeaders(headers), body: answer ?? null, encoding } });
  },
});

/** Header values as text. @throws PerdureError `handler.rejected` for what can be no header. */
function textHeaders(headers: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      const shown = typeof value === "string" ? value : JSON.stringify(value);
      if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || !/^[\t\x20-\x7e]*$/.test(shown)) {
        throw new PerdureError("handler.rejected", `\`${name.slice(0, 100)}\` can be no header of an answer.`);
      }
      return [name.toLowerCase(), shown];
    }),
  );
}
