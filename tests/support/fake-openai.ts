import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface FakeOpenAiOptions {
  /** The answer, or what makes it of the request's body. @default `Echo: <last user message>` */
  reply?: string | ((body: FakeOpenAiBody) => string);
  /** How many of the first requests fail, and how. */
  failFirst?: { times: number; status: number; headers?: Record<string, string>; code?: string; message?: string };
  /** Before each piece of a stream, or before the whole answer. */
  delayMs?: number;
  /** Streams end in the middle, without a word. */
  breakOff?: boolean;
}

export interface FakeOpenAiBody {
  model: string;
  messages: { role: string; content: string }[];
  stream?: boolean;
  [other: string]: unknown;
}

export interface FakeOpenAiRequest {
  path: string;
  headers: IncomingHttpHeaders;
  body: FakeOpenAiBody;
}

export interface FakeOpenAi {
  /** Base URL, as `OPENAI_BASE_URL` wants it. */
  url: string;
  /** All that arrived, in order. */
  requests: FakeOpenAiRequest[];
  close(): Promise<void>;
}

/** A server on a port of its own that speaks OpenAI's chat completions, whole and streamed. */
export async function startFakeOpenAi(options: FakeOpenAiOptions = {}): Promise<FakeOpenAi> {
  const requests: FakeOpenAiRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString() || "{}") as FakeOpenAiBody;
      requests.push({ path: request.url ?? "", headers: request.headers, body });
      void answer(response, body, requests.length, options);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

async function answer(response: ServerResponse, body: FakeOpenAiBody, count: number, options: FakeOpenAiOptions): Promise<void> {
  const { failFirst, delayMs = 0, breakOff } = options;
  if (failFirst && count <= failFirst.times) {
    response.writeHead(failFirst.status, { "content-type": "application/json", ...failFirst.headers });
    response.end(
      JSON.stringify({
        error: { message: failFirst.message ?? "The fake fails as told.", type: failFirst.code ?? "server_error", code: failFirst.code ?? null },
      }),
    );
    return;
  }
  const text = replyTo(body, options.reply);
  const shared = { id: `chatcmpl-${count}`, created: 1_700_000_000, model: body.model };
  const usage = usageOf(body, text);
  if (!body.stream) {
    await pause(delayMs);
    response.writeHead(200, { "content-type": "application/json" });
    response.end(
      JSON.stringify({
        ...shared,
        object: "chat.completion",
        choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }],
        usage,
      }),
    );
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const chunk = (part: object) => response.write(`data: ${JSON.stringify({ ...shared, object: "chat.completion.chunk", ...part })}\n\n`);
  const pieces = text.match(/\s*\S+|\s+$/g) ?? [];
  chunk({ choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] });
  for (const [index, content] of pieces.entries()) {
    await pause(delayMs);
    if (response.destroyed) return;
    chunk({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
    if (breakOff && index >= pieces.length / 2) {
      response.end();
      return;
    }
  }
  chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
  const wantsUsage = (body["stream_options"] as { include_usage?: boolean } | undefined)?.include_usage;
  if (wantsUsage) chunk({ choices: [], usage });
  response.end("data: [DONE]\n\n");
}

function replyTo(body: FakeOpenAiBody, reply: FakeOpenAiOptions["reply"]): string {
  if (typeof reply === "string") return reply;
  return reply ? reply(body) : `Echo: ${body.messages.findLast(({ role }) => role === "user")?.content ?? ""}`;
}

function usageOf(body: FakeOpenAiBody, text: string) {
  const prompt_tokens = body.messages.reduce((sum, { content }) => sum + content.split(/\s+/).length, 0);
  const completion_tokens = text.split(/\s+/).length;
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

function pause(ms: number): Promise<void> {
  return ms > 0 ? new Promise((done) => setTimeout(done, ms)) : Promise.resolve();
}
