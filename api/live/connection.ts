import type { WebSocket } from "ws";
import type { Caller, Standing } from "../security/caller.ts";
import type { ApiSettings } from "../services.ts";

/** Why a connection is closed, beside the codes of RFC 6455. From 4000 on they are ours; 44xx stand for the HTTP status. */
export const CLOSE = {
  ended: 1000,
  goingAway: 1001,
  tooBig: 1009,
  failed: 1011,
  unauthorized: 4401,
  forbidden: 4403,
  notFound: 4404,
  tooSlow: 4408,
  tooMany: 4429,
} as const;

/** How long a peer has to answer a close before the socket is cut. */
const CLOSE_GRACE_MS = 2_000;
const TEXT = { binary: false } as const;

/** A message, ready to be sent to many. */
export type Frame = Buffer;

export function frameOf(message: unknown): Frame {
  return Buffer.from(JSON.stringify(message));
}

type Limits = Pick<ApiSettings, "LIVE_QUEUE_MAX_BYTES" | "LIVE_SLOW_READER_MS" | "LIVE_PING_INTERVAL_MS" | "LIVE_RECHECK_INTERVAL_MS" | "LIVE_MESSAGE_RATE">;

/** What lives on a connection. */
export interface Guest {
  /** One message at a time, in order. What it throws closes the connection. */
  message(text: string): void | Promise<void>;
  /** Something will be lost: the queue is full for the first time since it was empty enough. */
  lagging?(): void;
  /** The reader has read on. */
  caughtUp?(): void;
  closed(): void;
}

/**
 * One WebSocket. What waits for its reader is bounded by `LIVE_QUEUE_MAX_BYTES`: whoever sends asks `isFull` first and waits for `room`, or
 * drops. It has no timers of its own: `look` is called for all connections of a process by one.
 */
export class Connection {
  readonly #socket: WebSocket;
  readonly #limits: Limits;
  readonly #onSent = (): void => this.#sent();
  #caller: Caller | undefined;
  #guest: Guest | undefined;
  #fullSince: number | undefined;
  #waiting: (() => void)[] | undefined;
  #pingAt: number;
  #checkAt: number;
  #isHeard = true;
  #pending = 0;
  #work: Promise<void> = Promise.resolve();
  #allowance: number;
  #allowanceAt: number;
  #cutAt: number | undefined;

  constructor(socket: WebSocket, limits: Limits, now = Date.now()) {
    this.#socket = socket;
    this.#limits = limits;
    this.#pingAt = now + limits.LIVE_PING_INTERVAL_MS;
    // Spread, so that those who came together are not asked about together.
    this.#checkAt = now + limits.LIVE_RECHECK_INTERVAL_MS * (0.5 + Math.random() / 2);
    this.#allowance = limits.LIVE_MESSAGE_RATE?.burst ?? 0;
    this.#allowanceAt = now;
    socket.on("message", (data: Buffer, isBinary) => this.#message(data, isBinary));
    socket.on("pong", () => (this.#isHeard = true));
    // `close` follows.
    socket.on("error", () => undefined);
  }

  /** Hands what comes from now on to the guest. */
  serve(guest: Guest, onClosed: () => void): void {
    this.#guest = guest;
    this.#socket.once("close", () => {
      onClosed();
      guest.closed();
      this.#wake();
    });
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  /** Who it is open for; undefined as long as they have not said. */
  get caller(): Caller | undefined {
    return this.#caller;
  }

  set caller(caller: Caller) {
    this.#caller = caller;
  }

  /** Nothing should be sent but what is said about the connection itself. */
  get isFull(): boolean {
    return this.#socket.bufferedAmount >= this.#limits.LIVE_QUEUE_MAX_BYTES;
  }

  send(frame: Frame | string): void {
    if (!this.isOpen) return;
    this.#socket.send(frame, TEXT, this.#onSent);
    if (this.#fullSince === undefined && this.isFull) {
      this.#fullSince = Date.now();
      this.#guest?.lagging?.();
    }
  }

  /** Resolves when there is room, or the connection has gone. */
  room(): Promise<void> {
    if (!this.isOpen || this.#fullSince === undefined) return Promise.resolve();
    return new Promise((resolve) => (this.#waiting ??= []).push(resolve));
  }

  close(code: number, reason: string): void {
    if (this.#cutAt !== undefined) return;
    this.#cutAt = Date.now() + CLOSE_GRACE_MS;
    this.#socket.close(code, reason);
  }

  cut(): void {
    this.#socket.terminate();
  }

  /** Looks after it: a lost peer, a reader that stopped, a session that has ended. */
  look(now: number, standing: Standing): "tooSlow" | undefined {
    if (this.#cutAt !== undefined) {
      if (now >= this.#cutAt) this.cut();
      return undefined;
    }
    if (this.#fullSince !== undefined && now - this.#fullSince >= this.#limits.LIVE_SLOW_READER_MS) {
      // It reads nothing, so it would not read a farewell either; one is tried for whoever reads on just now.
      this.close(CLOSE.tooSlow, "The reader is too slow: go on from the last id.");
      this.cut();
      return "tooSlow";
    }
    if (now >= this.#pingAt) {
      if (!this.#isHeard) {
        this.cut();
        return undefined;
      }
      this.#isHeard = false;
      this.#pingAt = now + this.#limits.LIVE_PING_INTERVAL_MS;
      this.#socket.ping();
    }
    if (this.#caller && (now >= this.#checkAt || (this.#caller.endsAt ?? Infinity) <= now)) {
      this.#checkAt = now + this.#limits.LIVE_RECHECK_INTERVAL_MS;
      void this.#check(this.#caller, standing);
    }
    return undefined;
  }

  async #check(caller: Caller, standing: Standing): Promise<void> {
    try {
      this.#caller = await standing.confirm(caller);
    } catch (error) {
      // A database that is away says nothing about a session.
      if (error instanceof Error && "status" in error && error.status === 401) this.close(CLOSE.unauthorized, error.message);
    }
  }

  #sent(): void {
    if (this.#fullSince === undefined || this.#socket.bufferedAmount > this.#limits.LIVE_QUEUE_MAX_BYTES / 2) return;
    this.#fullSince = undefined;
    this.#wake();
    this.#guest?.caughtUp?.();
  }

  #wake(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const each of waiting) each();
  }

  #message(data: Buffer, isBinary: boolean): void {
    this.#isHeard = true;
    if (isBinary) return this.close(1003, "Messages are JSON texts.");
    if (!this.#mayspeak()) return this.close(CLOSE.tooMany, "Too many messages (LIVE_MESSAGE_RATE).");
    const text = data.toString();
    this.#pending++;
    // What arrives while a message is dealt with waits in the socket, not here.
    if (this.#pending > 1) this.#socket.pause();
    this.#work = this.#work.then(async () => {
      try {
        if (this.isOpen) await this.#guest?.message(text);
      } catch {
        this.close(CLOSE.failed, "The message could not be dealt with.");
      } finally {
        this.#pending--;
        if (this.#pending === 0 && this.#socket.isPaused) this.#socket.resume();
      }
    });
  }

  #mayspeak(): boolean {
    const rate = this.#limits.LIVE_MESSAGE_RATE;
    if (!rate) return true;
    const now = Date.now();
    this.#allowance = Math.min(rate.burst, this.#allowance + ((now - this.#allowanceAt) * rate.tokens) / rate.perMs);
    this.#allowanceAt = now;
    this.#allowance--;
    return this.#allowance >= 0;
  }
}
