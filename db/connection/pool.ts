import { PerdureError } from "#core";
import type { PoolState } from "../types/index.ts";
import { openConnection, type Connection, type ConnectionOptions } from "./connection.ts";

/** A connection is replaced after this time: its prepared statements go, and a moved server is found. */
const CONNECTION_MAX_AGE_MS = 30 * 60_000;

export interface Pool {
  /**
   * Lends a connection to one caller at a time, in the order of asking. `isLast`: what asks has waited before for the same request and has nothing else
   * to do, so it goes before the others. @throws the driver's error when none can be opened.
   */
  use<T>(work: (connection: Connection) => Promise<T>, isLast?: boolean): Promise<T>;
  state(): PoolState;
  /** Waits for what is being done, then closes; asking afterwards fails with `database.unavailable`. */
  close(): Promise<void>;
}

export function createPool(url: string, size: number, options: Pick<ConnectionOptions, "statementTimeoutMs"> = {}): Pool {
  const idle: Connection[] = [];
  const asking: (() => void)[] = [];
  const lent = new Set<Promise<unknown>>();
  let free = size;
  let closed = false;

  async function borrow(): Promise<Connection> {
    for (let connection = idle.pop(); connection; connection = idle.pop()) {
      if (connection.lost) continue;
      if (Date.now() - connection.openedAt < CONNECTION_MAX_AGE_MS) return connection;
      void connection.close();
    }
    return openConnection(url, options);
  }

  async function lend<T>(work: (connection: Connection) => Promise<T>, isLast: boolean): Promise<T> {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => (isLast ? asking.unshift(resolve) : asking.push(resolve)));
    let connection: Connection | undefined;
    try {
      if (closed) throw new PerdureError("database.unavailable", "The connection to the database has been closed.");
      connection = await borrow();
      return await work(connection);
    } finally {
      if (connection && !connection.lost) {
        if (closed) await connection.close();
        else idle.push(connection);
      }
      const next = asking.shift();
      if (next) next();
      else free++;
    }
  }

  return {
    use(work, isLast = false) {
      const done = lend(work, isLast);
      const settled: Promise<unknown> = done.catch(() => {}).finally(() => lent.delete(settled));
      lent.add(settled);
      return done;
    },
    state: () => ({ busy: size - free, idle: idle.length, free: Math.max(0, free - idle.length), waiting: asking.length }),
    async close() {
      closed = true;
      await Promise.all(lent);
      await Promise.all(idle.splice(0).map((connection) => connection.close()));
    },
  };
}
