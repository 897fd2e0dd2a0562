import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import type { Logger } from "#platform";
import { mayRead, type Metrics } from "./index.ts";

export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

export interface MetricsServerOptions {
  metrics: Pick<Metrics, "page">;
  host: string;
  port: number;
  /** Where there is one, it is asked for. */
  token: string | undefined;
  /** Answers `/health/ready`, of a process that has no other port. */
  isReady?: () => boolean;
  logger: Logger;
}

/**
 * Serves `GET /metrics` on a port of its own, which only the monitoring is to reach. Undefined where it cannot listen: the process does its work
 * without, and says so in the log.
 */
export async function serveMetrics({ metrics, host, port, token, isReady, logger }: MetricsServerOptions): Promise<MetricsServer | undefined> {
  const server = createServer((request, response) => {
    const answer = (status: number, type: string, text: string): void => void response.writeHead(status, { "content-type": type }).end(text);
    const path = request.url?.split("?")[0] ?? "";
    if (isReady && path === "/health") return answer(200, "application/json", `${JSON.stringify({ status: "healthy" })}\n`);
    if (isReady && path === "/health/ready")
      return isReady()
        ? answer(200, "application/json", `${JSON.stringify({ status: "ready" })}\n`)
        : answer(503, "application/json", `${JSON.stringify({ status: "not_ready" })}\n`);
    if (path !== "/metrics") return answer(404, "text/plain", "not found\n");
    if (request.method !== "GET" && request.method !== "HEAD") return answer(405, "text/plain", "method not allowed\n");
    if (token !== undefined && !mayRead(request.headers.authorization, token)) return answer(401, "text/plain", "unauthorized\n");
    metrics.page().then(
      ({ contentType, text }) => answer(200, contentType, text),
      (error: unknown) => {
        logger.warn({ err: error }, "the page of metrics could not be made");
        answer(500, "text/plain", "internal error\n");
      },
    );
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
  } catch (error) {
    logger.error({ err: error, host, port }, "metrics are not served: the port cannot be listened on");
    return undefined;
  }
  const { port: opened } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${opened}/metrics`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** As `serveMetrics`, where a port is configured. */
export async function openMetrics(port: number | undefined, options: Omit<MetricsServerOptions, "port">): Promise<MetricsServer | undefined> {
  return port === undefined ? undefined : serveMetrics({ ...options, port });
}

/** Of a page that another part of this process serves on this machine. */
export function readPage(url: string, timeoutMs = 2_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { signal: AbortSignal.timeout(timeoutMs) }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        response.statusCode === 200 ? resolve(Buffer.concat(chunks).toString()) : reject(new Error(`answered ${response.statusCode}`)),
      );
    });
    request.on("error", reject);
  });
}
