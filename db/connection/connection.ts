import postgres from "postgres";
import { openSocket } from "./socket.ts";
import { storableJson, toParameter } from "./values.ts";
import { connectionLost, sqlState } from "./errors.ts";

export type Row = Record<string, unknown>;

/** Of one statement. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** Of a transaction whose process stopped answering: the server ends it and its locks. */
const IDLE_IN_TRANSACTION_MS = 30_000;
/** Of the server's first answer, after the socket is open. */
const GREETING_TIMEOUT_MS = 10_000;

const LOST = "The connection to the database was lost.";

const text = (value: string): string => value;

/** JSON and times stay text in both directions: drizzle and the row mappers of `queries/` parse them, once. */
const TYPES = {
  json: { to: 114, from: [114, 3802], parse: text, serialize: (value: unknown) => storableJson(String(value)) },
  date: { to: 1184, from: [1082, 1083, 1114, 1184, 1266], parse: text, serialize: text },
};

/**
 * One physical connection on which statements may be sent without waiting for the one before (the protocol answers in order).
 *
 * The driver's own pool is not used: it would send what is queued on a lost connection again on another one, outside of its transaction and of
 * its role. Here a lost connection fails all that was sent on it and is never used again.
 */
export interface Connection {
  /** Sends now; statements with parameters are prepared once per connection. Rejects with the driver's error. */
  send(statement: string, parameters: readonly unknown[], shape: "objects"): Promise<Row[]>;
  send(statement: string, parameters: readonly unknown[], shape: "arrays"): Promise<unknown[][]>;
  /** Several statements without parameters or results, as one message. */
  sendScript(script: string): Promise<void>;
  readonly lost: boolean;
  readonly openedAt: number;
  close(): Promise<void>;
}

export interface ConnectionOptions {
  /** Of one statement, waiting for locks included: the server ends it with 57014. @default 30 s */
  statementTimeoutMs?: number | undefined;
  onLost?: () => void;
  onNotify?: (channel: string, payload: string) => void;
}

/** @throws the driver's error when no connection comes about. */
export async function openConnection(url: string, options: ConnectionOptions = {}): Promise<Connection> {
  const waiting = new Set<(error: Error) => void>();
  let lost = false;
  const lose = (cause?: unknown) => {
    if (lost) return;
    lost = true;
    for (const reject of waiting) reject(connectionLost(LOST, cause));
    waiting.clear();
    void client.end({ timeout: 0 });
    options.onLost?.();
  };
  const client = postgres(url, {
    max: 1,
    max_lifetime: null,
    socket: openSocket(),
    fetch_types: false,
    types: TYPES as unknown as Record<string, postgres.PostgresType>,
    connection: { application_name: "perdure" },
    onnotice: () => {},
    onclose: () => lose(),
    onnotify: options.onNotify,
  } as postgres.Options<Record<string, postgres.PostgresType>>);

  const greeting = setTimeout(() => lose(), GREETING_TIMEOUT_MS);
  try {
    const statementTimeout = Math.trunc(options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS);
    await client.unsafe(
      `set idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS}; set statement_timeout = ${statementTimeout}; set client_min_messages = warning`,
    );
  } catch (error) {
    lose(error);
    throw error;
  } finally {
    clearTimeout(greeting);
  }
  const bound = await client.reserve();

  const track = <T>(sent: PromiseLike<T>): Promise<T> => {
    if (lost) return Promise.reject(connectionLost(LOST));
    return new Promise<T>((resolve, reject) => {
      waiting.add(reject);
      sent.then(
        (value) => {
          waiting.delete(reject);
          resolve(value);
        },
        (error: unknown) => {
          waiting.delete(reject);
          reject(error);
          // Whatever the server did not say itself may have left the two out of step.
          if (sqlState(error) === undefined) lose(error);
        },
      );
    });
  };

  async function send(statement: string, parameters: readonly unknown[], shape: "objects" | "arrays"): Promise<never> {
    const query = bound.unsafe(statement, parameters.map(toParameter), { prepare: true });
    return (await track(shape === "arrays" ? query.values() : query)) as never;
  }

  return {
    send,
    async sendScript(script) {
      await track(bound.unsafe(script).simple());
    },
    get lost() {
      return lost;
    },
    openedAt: Date.now(),
    async close() {
      if (lost) return;
      lost = true;
      bound.release();
      await client.end({ timeout: 5 });
    },
  };
}
