import type { IncomingMessage, Server } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Logger } from "#platform";
import { type WebSocket, WebSocketServer } from "ws";
import type { ApiEnv } from "../context.ts";
import { agreedProtocol } from "../middleware/socket-token.ts";

/** A handshake on its way through the routes. */
export interface Upgrade {
  /** Set by the handler that takes the connection; without it the answer of the route is sent and the connection ends. */
  accept?: { readonly maxMessageBytes: number; readonly open: (socket: WebSocket) => void; readonly abandon: () => void };
}

type Fetch = (request: Request, env: ApiEnv["Bindings"]) => Response | Promise<Response>;

/** Whether a request asks for a WebSocket; any other wish to upgrade (`h2c`) is passed over, as HTTP allows. */
export function isHandshake({ method, headers }: Pick<IncomingMessage, "method" | "headers">): boolean {
  return method === "GET" && headers.upgrade?.toLowerCase() === "websocket";
}

/**
 * Serves handshakes of WebSockets on the server of the routes. Each passes the same middleware as any request – limits, authentication,
 * permission – and is refused with the same problems; what is agreed on is framed by `ws`, without compression, which would cost memory per connection.
 */
export function serveUpgrades(server: Server, fetch: Fetch, logger: Logger): void {
  const servers = new Map<number, WebSocketServer>();
  const framing = (maxPayload: number): WebSocketServer => {
    const known = servers.get(maxPayload);
    if (known) return known;
    const made = new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload, handleProtocols: agreedProtocol });
    servers.set(maxPayload, made);
    return made;
  };

  async function serve(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const upgrade: Upgrade = {};
    const answer = await fetch(requestOf(incoming), { incoming, upgrade } as ApiEnv["Bindings"]);
    const { accept } = upgrade;
    if (!accept) return refuse(socket, answer.ok ? await noSocket(answer) : answer);
    if (socket.destroyed) return accept.abandon();
    socket.once("close", accept.abandon);
    framing(accept.maxMessageBytes).handleUpgrade(incoming, socket, head, (opened) => {
      socket.off("close", accept.abandon);
      socket.off("error", ignore);
      accept.open(opened);
    });
  }

  server.on("upgrade", (incoming, socket, head) => {
    socket.on("error", ignore);
    serve(incoming, socket, head).catch((error: unknown) => {
      logger.warn({ err: error }, "a handshake failed");
      socket.destroy();
    });
  });
}

/** A client that breaks off has said enough. */
function ignore(): void {}

/** @throws {TypeError} where host or path make no URL. */
function requestOf({ url = "/", headers: given, method = "GET" }: IncomingMessage): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  return new Request(new URL(url, `http://${given.host ?? "localhost"}`), { headers, method });
}

/** The route is there, and is not one of WebSockets; what it answers may never end. */
async function noSocket(answer: Response): Promise<Response> {
  await answer.body?.cancel();
  return new Response(null, { status: 400 });
}

async function refuse(socket: Duplex, answer: Response): Promise<void> {
  if (socket.destroyed) return;
  const body = Buffer.from(await answer.arrayBuffer());
  answer.headers.set("connection", "close");
  answer.headers.set("content-length", String(body.length));
  const lines = [...answer.headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.end(Buffer.concat([Buffer.from(`HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ""}\r\n${lines}\r\n`), body]));
}
