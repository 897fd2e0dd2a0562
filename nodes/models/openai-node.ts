import { parseDuration, PerdureError } from "#core";
import { z } from "zod";
import { defineNode, type LiveCredential } from "../define.ts";
import { credentialId, duration, flag, jsonSchema, list, number, text } from "../inputs.ts";
import { conversation, messageSchema } from "./conversation.ts";

export default defineNode({
  kind: "activity",
  type: "OpenAINode",
  aliases: ["OpenAIChat", "OpenAIChatNode", "openaiChat"],
  category: "models",
  displayName: "OpenAI chat",
  description: "Asks a chat model of OpenAI, or of any server that speaks its language. Without a key a plainly labelled mock model answers.",
  inputs: z.object({
    prompt: text().nullish().describe("What is asked. With neither prompt nor messages, what arrives is asked."),
    messages: z.array(messageSchema).nullish().describe("A conversation so far: `[{role, content}]`."),
    system: text().nullish().describe("How the model is to behave."),
    model: text().default("gpt-4o-mini").describe("Name of the model."),
    temperature: number((value) => value.min(0).max(2))
      .nullish()
      .describe("0 to 2; without it, the model's own."),
    max_tokens: number((value) => value.int().positive())
      .nullish()
      .describe("Longest answer, in tokens."),
    top_p: number((value) => value.min(0).max(1))
      .nullish()
      .describe("Share of likely tokens to choose from."),
    stop: list(z.string()).default([]).describe("Texts that end the answer; 4 at most."),
    stream: flag().default(true).describe("Shows the answer while it is made."),
    response_schema: jsonSchema().nullish().describe("JSON schema of the answer, which is then handed on parsed, as `json`."),
    base_url: text().nullish().describe("Another server that speaks OpenAI's language. It is sent this node's `api_key` only."),
    api_key: text().nullish().describe("Key for this node alone, best as `{{secrets.NAME}}`; without it, the operator's."),
    credential: credentialId().describe("Id of a credential of type `openai`: its key, and its server where it names one."),
    timeout: duration().default("2m").describe("The whole answer; 10 minutes at most."),
    enable_templating: flag().default(true).describe("Off takes every input as it stands."),
  }),
  inputAliases: {
    system_message: "system",
    system_prompt: "system",
    enable_streaming: "stream",
    streaming: "stream",
    model_name: "model",
    user_prompt: "prompt",
    message: "prompt",
    stop_sequences: "stop",
    openai_api_key: "api_key",
    openai_base_url: "base_url",
    credential_id: "credential",
    openai_credential: "credential",
  },
  outputs: z.object({
    text: z.string().describe("What the model answered."),
    usage: z.object({ prompt_tokens: z.number(), completion_tokens: z.number(), total_tokens: z.number() }).describe("Tokens read and written."),
    finish_reason: z.string().describe("`stop`, `length`, `content_filter` …"),
    model: z.string().describe("The model that answered, as it calls itself."),
    json: z.unknown().optional().describe("The answer parsed, with `response_schema`."),
    mock: z.literal(true).optional().describe("There where the mock model answered."),
  }),
  outputAliases: { content: "text", response: "text", output: "text", message: "text" },
  dialects: { response_schema: "literal", credential: "literal" },
  fixedInputs: ["credential"],
  credentials: { credential: ["openai"] },
  templatingSwitch: "enable_templating",
  confidential: ["api_key"],
  provides: "model",
  policy: { timeout: "10m" },
  effect: "at_least_once",
  run: async (inputs, { input, tenantId, idempotencyKey, credentials, services, signal, token }) => {
    const { baseUrl, apiKey } = access(inputs, credentials["credential"]);
    const { mock, ...result } = await services.models.chat(
      {
        tenantId,
        provider: "openai",
        model: inputs.model,
        messages: conversation(inputs, input),
        ...(typeof inputs.temperature === "number" && { temperature: inputs.temperature }),
        ...(typeof inputs.max_tokens === "number" && { maxTokens: inputs.max_tokens }),
        ...(typeof inputs.top_p === "number" && { topP: inputs.top_p }),
        ...(inputs.stop.length > 0 && { stop: inputs.stop }),
        ...(inputs.response_schema && { responseSchema: inputs.response_schema }),
        ...(baseUrl && { baseUrl }),
        ...(apiKey && { apiKey }),
        stream: inputs.stream,
        idempotencyKey,
        timeoutMs: parseDuration(inputs.timeout) ?? 120_000,
      },
      token,
      signal,
    );
    const answer = mock ? { ...result, mock } : result;
    return { value: inputs.response_schema ? { ...answer, json: parsed(result.text, result.finish_reason) } : answer };
  },
});

/** A credential's key goes to the credential's server and to no other that a graph could name. */
function access(
  { base_url: baseUrl, api_key: apiKey }: { base_url?: string | null | undefined; api_key?: string | null | undefined },
  credential: LiveCredential | undefined,
): { baseUrl?: string | null | undefined; apiKey?: string | null | undefined } {
  if (!credential) return { baseUrl, apiKey };
  if (baseUrl || apiKey) {
    throw new PerdureError("configuration.invalid", "With `credential` the node takes no `api_key` and no `base_url`; the credential has both.");
  }
  return { baseUrl: credential.values["base_url"], apiKey: credential.values["api_key"] };
}

function parsed(answer: string, finishReason: string): unknown {
  try {
    return JSON.parse(answer) as unknown;
  } catch (cause) {
    throw new PerdureError("upstream.failed", `The model's answer (finish_reason ${finishReason}) is not the JSON that response_schema asks for.`, { cause });
  }
}
