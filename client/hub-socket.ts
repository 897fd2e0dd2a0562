import { ConnectionError } from "./errors.ts";

/** Messages that may wait for their reader; then the connection is given up, and what was events is read again from the log. */
const WAITING_MAX = 10_000;
/** The server's own pings are not shown to pages: this is how a dead connection is told from a quiet one. */
const PING_EVERY_MS = 15_000;

/** The connection has ended; what it had brought was given out before. */
export class HubClosed extends ConnectionError {
  readonly code: number;

  constructor(code: number, reason: string) {
    super(`The connection ended (${code}${reason === "" ? "" : `: ${reason}`}).`);
    this.code = code;
  }
}

export interface HubFrame {
  readonly type: string;
  readonly id?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * Opens a WebSocket, says `first`, and gives what comes until it ends.
 * @throws HubClosed when it has ended, or was silent for `silenceMs`; the signal's reason when it is aborted.
 */
export async function* framesOf(url: string, first: object, silenceMs: number, signal: AbortSignal | undefined): AsyncGenerator<HubFrame, void, undefined> {
  signal?.throwIfAborted();
  const socket = new WebSocket(url);
  const waiting: HubFrame[] = [];
  let wake: () => void = () => undefined;
  let closed: HubClosed | undefined;
  let heardAt = Date.now();
  const end = (code: number, reason: string): void => {
    closed ??= new HubClosed(code, reason);
    socket.close();
    wake();
  };
  const onAbort = (): void => end(1000, "");
  signal?.addEventListener("abort", onAbort, { once: true });
  socket.addEventListener("open", () => socket.send(JSON.stringify(first)));
  socket.addEventListener("close", ({ code, reason }) => end(code, reason));
  socket.addEventListener("message", ({ data }) => {
    heardAt = Date.now();
    if (closed) return;
    waiting.push(JSON.parse(String(data)) as HubFrame);
    wake();
    if (waiting.length >= WAITING_MAX) end(1006, "its reader is too slow");
  });
  const pings = setInterval(
    () => {
      if (Date.now() - heardAt > silenceMs) end(1006, `nothing came for ${silenceMs} ms`);
      else if (socket.readyState === WebSocket.OPEN) socket.send('{"type":"Ping"}');
    },
    Math.min(PING_EVERY_MS, silenceMs / 2),
  );
  try {
    for (;;) {
      if (signal?.aborted) throw signal.reason;
      const frame = waiting.shift();
      if (frame) yield frame;
      else if (closed) throw closed;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    clearInterval(pings);
    signal?.removeEventListener("abort", onAbort);
    socket.close();
  }
}
