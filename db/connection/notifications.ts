import type { Logger } from "#platform";
import { type Connection, openConnection } from "./connection.ts";

const RETRY_MS = 1_000;

/** What PostgreSQL tells its listeners: one connection of the process hears all channels. */
export interface Notifications {
  /** @returns what ends it. Resolves when the process listens, or when it could not at first; it goes on trying. */
  listen(channel: string, onPayload: (payload: string) => void): Promise<() => void>;
  close(): Promise<void>;
}

/** What is said while the connection is away is not said again: those for whom that matters also look by themselves. */
export function createNotifications(url: string, logger?: Logger): Notifications {
  const channels = new Map<string, Set<(payload: string) => void>>();
  let connection: Promise<Connection | undefined> | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  const onNotify = (channel: string, payload: string): void => {
    for (const listener of channels.get(channel) ?? []) listener(payload);
  };

  async function connect(): Promise<Connection | undefined> {
    try {
      const opened = await openConnection(url, { onNotify, onLost: reconnectLater });
      for (const channel of channels.keys()) await opened.sendScript(`listen ${channel}`);
      if (!closed) return opened;
      await opened.close();
    } catch (error) {
      logger?.warn({ err: error }, "listening to the database failed; trying again");
      reconnectLater();
    }
    return undefined;
  }

  function reconnectLater(): void {
    if (closed || retry !== undefined) return;
    retry = setTimeout(() => {
      retry = undefined;
      connection = connect();
    }, RETRY_MS);
  }

  return {
    async listen(channel, onPayload) {
      const known = channels.get(channel);
      const listeners = known ?? new Set();
      channels.set(channel, listeners.add(onPayload));
      if (!connection) connection = connect();
      else if (!known) {
        // A connection that is being made may have told its channels already; listening twice changes nothing.
        const opened = await connection;
        if (opened && !opened.lost) await opened.sendScript(`listen ${channel}`).catch(() => undefined);
      }
      await connection;
      return () => listeners.delete(onPayload);
    },

    async close() {
      closed = true;
      clearTimeout(retry);
      await (await connection)?.close();
    },
  };
}
