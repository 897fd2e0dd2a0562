import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Call {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: string;
}

export interface CountingServer {
  url: string;
  calls: Call[];
  /** How often each path was called. */
  counts(): Record<string, number>;
  close(): Promise<void>;
}

/** An outside system that counts: answers 200 `{ "path", "n" }` after `delayMs`, or what `reply` writes. */
export async function startCountingServer(
  options: { delayMs?: number; reply?: (call: Call, response: ServerResponse) => void | Promise<void> } = {},
): Promise<CountingServer> {
  const calls: Call[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const call: Call = { method: request.method ?? "", path: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks).toString() };
    calls.push(call);
    if (options.delayMs) await new Promise((resolve) => setTimeout(resolve, options.delayMs));
    if (options.reply) return options.reply(call, response);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ path: call.path, n: calls.length }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    counts: () => calls.reduce<Record<string, number>>((counts, { path }) => ({ ...counts, [path]: (counts[path] ?? 0) + 1 }), {}),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
