import { WebSocket } from "ws";
import type { JsonObject } from "#core";

export interface Closed {
  code: number;
  reason: string;
}

/** A WebSocket as any client would have one: what it was told, and the answers of a handshake that was refused. */
export class TestSocket {
  readonly socket: WebSocket;
  /** All that has come, in order. */
  readonly heard: JsonObject[] = [];
  readonly closed: Promise<Closed>;
  readonly #waiting = new Set<() => void>();
  #isClosed = false;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) =>
      socket.once("close", (code, reason) => {
        this.#isClosed = true;
        resolve({ code, reason: reason.toString() });
        this.#wake();
      }),
    );
    socket.on("message", (data: Buffer) => {
      this.heard.push(JSON.parse(data.toString()) as JsonObject);
      this.#wake();
    });
    socket.on("error", () => undefined);
  }

  /** `silent`: answers no pings. @throws `Refused` where the handshake is. */
  static open(
    base: string,
    path: string,
    options: { headers?: Record<string, string>; protocols?: string[]; token?: string; silent?: boolean } = {},
  ): Promise<TestSocket> {
    const url = new URL(path, base.replace(/^http/, "ws"));
    const headers = { ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }), ...options.headers };
    const socket = new WebSocket(url, options.protocols ?? [], { headers, perMessageDeflate: false, autoPong: !options.silent });
    const client = new TestSocket(socket);
    return new Promise((resolve, reject) => {
      socket.once("open", () => resolve(client));
      socket.once("error", reject);
      socket.once("unexpected-response", (_request, response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => reject(new Refused(response.statusCode ?? 0, Buffer.concat(chunks).toString())));
      });
    });
  }

  send(message: unknown): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** The first message that fits, of those that have come and those that will. */
  async next(wanted: (message: JsonObject) => boolean, withinMs = 10_000): Promise<JsonObject> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const found = this.heard.find(wanted);
      if (found) return found;
      if (this.#isClosed || Date.now() > deadline) {
        throw new Error(`${this.#isClosed ? "closed" : "nothing"}: heard ${JSON.stringify(this.heard).slice(-2_000)}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  ofType(type: string, withinMs?: number): Promise<JsonObject> {
    return this.next((message) => message["type"] === type, withinMs);
  }

  all(type: string): JsonObject[] {
    return this.heard.filter((message) => message["type"] === type);
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.closed;
  }

  #wake(): void {
    for (const each of this.#waiting) each();
    this.#waiting.clear();
  }
}

export class Refused extends Error {
  readonly status: number;
  readonly body: JsonObject;

  constructor(status: number, text: string) {
    super(`refused with ${status}: ${text}`);
    this.status = status;
    this.body = text.startsWith("{") ? (JSON.parse(text) as JsonObject) : {};
  }
}
