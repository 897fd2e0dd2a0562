import OpenAI from "openai";
import type { ChatCompletion, ChatCompletionChunk, ChatCompletionCreateParamsNonStreaming } from "openai/resources/chat/completions";
import { PerdureError } from "#core";
import type { ChatRequest, ChatResult } from "#nodes";
import { timedOut, type Fetch } from "../http/index.ts";
import { modelFailure } from "./failure.ts";

export interface Endpoint {
  baseUrl: string;
  /** Without it the request carries none. */
  apiKey: string | undefined;
  send: Fetch;
}

/**
 * All headers that leave. The SDK adds what it finds in the process's environment (organization, project, custom headers); those are the
 * operator's and must not reach a server that a graph names.
 */
const SENT_HEADERS: ReadonlySet<string> = new Set(["accept", "authorization", "content-type", "idempotency-key", "user-agent"]);

/** What the SDK insists on having; never sent. */
const NO_KEY = "none";

/** Asks a server that speaks OpenAI's chat completions. @throws PerdureError by HTTP status (`upstreamFailure` of core), or `network.*`. */
export async function openAiChat(endpoint: Endpoint, request: ChatRequest, onToken: (text: string) => void, signal: AbortSignal): Promise<ChatResult> {
  const host = URL.parse(endpoint.baseUrl)?.host;
  if (!host) {
    const finding = { code: "input.invalid", message: "is no absolute URL", path: "base_url", hint: "It ends with /v1 with most servers." };
    throw new PerdureError("validation.failed", "base_url is no absolute URL.", { findings: [finding] });
  }
  if (endpoint.apiKey !== undefined && !/^[\x21-\x7e]+$/.test(endpoint.apiKey)) {
    const finding = { code: "input.invalid", message: "holds characters that no header takes", path: "api_key", hint: "Often a line break at its end." };
    throw new PerdureError("validation.failed", "api_key holds characters that no header takes.", { findings: [finding] });
  }
  const limit = AbortSignal.timeout(request.timeoutMs);
  const both = AbortSignal.any([signal, limit]);
  const client = new OpenAI({
    apiKey: endpoint.apiKey ?? NO_KEY,
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    baseURL: endpoint.baseUrl,
    fetch: onlyOurHeaders(endpoint),
    maxRetries: 0,
    timeout: request.timeoutMs,
    logLevel: "off",
  });
  const options = { signal: both, headers: { "idempotency-key": headerSafe(request.idempotencyKey) } };
  try {
    if (!request.stream) return fromCompletion(await client.chat.completions.create(parameters(request), options), request.model);
    const stream = await client.chat.completions.create({ ...parameters(request), stream: true, stream_options: { include_usage: true } }, options);
    return await fromStream(stream, request.model, onToken);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (limit.aborted) throw timedOut(host, error);
    throw modelFailure(error, host, endpoint.apiKey);
  }
}

function onlyOurHeaders({ apiKey, send }: Endpoint): Fetch {
  return (input, init) => {
    const kept = Array.from(new Headers(init?.headers)).filter(([name]) => SENT_HEADERS.has(name) && name !== "authorization");
    return send(input, { ...init, headers: { ...Object.fromEntries(kept), ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }) } });
  };
}

function parameters(request: ChatRequest): ChatCompletionCreateParamsNonStreaming {
  return {
    model: request.model,
    messages: request.messages.map(({ role, content }) => ({ role, content })),
    ...(request.temperature !== undefined && { temperature: request.temperature }),
    ...(request.maxTokens !== undefined && { [takesCompletionTokens(request.model) ? "max_completion_tokens" : "max_tokens"]: request.maxTokens }),
    ...(request.topP !== undefined && { top_p: request.topP }),
    ...(request.stop !== undefined && { stop: [...request.stop] }),
    ...(request.responseSchema !== undefined && {
      response_format: { type: "json_schema", json_schema: { name: "answer", schema: request.responseSchema as Record<string, unknown> } },
    }),
  };
}

/** OpenAI's reasoning models refuse `max_tokens`; compatible servers often know nothing else. */
function takesCompletionTokens(model: string): boolean {
  return /^(o\d|gpt-5)/.test(model);
}

function fromCompletion(completion: ChatCompletion, asked: string): ChatResult {
  const choice = completion.choices?.[0];
  if (!choice) throw new PerdureError("upstream.failed", "The model server answered without a choice.");
  return {
    text: choice.message.content ?? choice.message.refusal ?? "",
    usage: usageOf(completion.usage),
    finish_reason: choice.finish_reason ?? "stop",
    model: completion.model || asked,
    mock: false,
  };
}

async function fromStream(stream: AsyncIterable<ChatCompletionChunk>, asked: string, onToken: (text: string) => void): Promise<ChatResult> {
  const result: ChatResult = { text: "", usage: usageOf(undefined), finish_reason: "", model: asked, mock: false };
  for await (const chunk of stream) {
    if (chunk.model) result.model = chunk.model;
    if (chunk.usage) result.usage = usageOf(chunk.usage);
    const choice = chunk.choices?.[0];
    const piece = choice?.delta?.content ?? choice?.delta?.refusal ?? "";
    if (piece !== "") {
      result.text += piece;
      onToken(piece);
    }
    if (choice?.finish_reason) result.finish_reason = choice.finish_reason;
  }
  if (result.finish_reason === "") throw new PerdureError("upstream.failed", "The model's answer broke off before its end.");
  return result;
}

function usageOf(usage: Partial<ChatResult["usage"]> | null | undefined): ChatResult["usage"] {
  const { prompt_tokens = 0, completion_tokens = 0, total_tokens = prompt_tokens + completion_tokens } = usage ?? {};
  return { prompt_tokens, completion_tokens, total_tokens };
}

function headerSafe(value: string): string {
  return /^[\x21-\x7e]*$/.test(value) ? value : encodeURIComponent(value);
}
