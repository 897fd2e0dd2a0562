import type { ChatRequest, ChatResult } from "#nodes";
import { valueThatFits } from "./mock-json.ts";

export const MOCK_LABEL = "[mock model, no OPENAI_API_KEY]";

/**
 * Stands for a model where no key is there (A18), and says so. Repeats the last message of the user, or answers with JSON that fits the schema
 * asked for, whole whatever `maxTokens` is, its free texts the label; the same request gives the same answer. "Tokens" are words.
 */
export function mockChat(request: ChatRequest, onToken: (text: string) => void, signal: AbortSignal): Promise<ChatResult> {
  const said = request.messages.findLast(({ role }) => role === "user")?.content ?? "";
  const json = request.responseSchema === undefined ? undefined : JSON.stringify(valueThatFits(request.responseSchema, MOCK_LABEL));
  const all = words(json ?? `${MOCK_LABEL} ${said}`);
  const answered = request.maxTokens === undefined || json !== undefined ? all : all.slice(0, Math.max(request.maxTokens, words(MOCK_LABEL).length));
  if (request.stream) {
    for (const word of answered) {
      if (signal.aborted) return Promise.reject(signal.reason);
      onToken(word);
    }
  }
  const promptTokens = request.messages.reduce((count, { content }) => count + words(content).length, 0);
  return Promise.resolve({
    text: answered.join(""),
    usage: { prompt_tokens: promptTokens, completion_tokens: answered.length, total_tokens: promptTokens + answered.length },
    finish_reason: answered.length < all.length ? "length" : "stop",
    model: `mock/${request.model}`,
    mock: true,
  });
}

/** Words with the white space before them: joined they are the text. */
function words(text: string): string[] {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}
