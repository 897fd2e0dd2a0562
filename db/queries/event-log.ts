import { sql } from "drizzle-orm";
import type { Logger } from "#platform";
import { openConnection, type Connection } from "../connection/connection.ts";
import type { Sessions } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { NOBODY, type RunObserver, tellSettled } from "../observer.ts";
import type { EventLog } from "../types.ts";

const CHANNEL = "perdure_runs";
const LISTEN_RETRY_MS = 1_000;

export interface OwnedEventLog extends EventLog {
  close(): Promise<void>;
}

export function createEventLog(sessions: Sessions, url: string, logger?: Logger, observer: RunObserver = NOBODY): OwnedEventLog {
  const listeners = new Set<(runId: string) => void>();
  let connection: Connection | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  const onNotify = (_channel: string, payload: string) => {
    for (const runId of payload.split(",")) for (const listener of listeners) listener(runId);
  };

  /** Keeps one connection listening; what is said while it is away is not said again, so readers also look by themselves. */
  async function connect(): Promise<void> {
    const opened = await openConnection(url, { onNotify, onLost: () => reconnectLater() });
    await opened.sendScript(`listen ${CHANNEL}`);
    if (closed) await opened.close();
    else connection = opened;
  }

  function reconnectLater(): void {
    connection = undefined;
    if (closed || retry !== undefined) return;
    retry = setTimeout(() => {
      retry = undefined;
      connect().catch((error: unknown) => {
        logger?.warn({ err: error }, "listening to the database failed; trying again");
        reconnectLater();
      });
    }, LISTEN_RETRY_MS);
  }

  let first: Promise<void> | undefined;

  return {
    async append(facts) {
      if (facts.length === 0) return 0;
      const text = toJsonText(facts.map(({ tenantId, event }) => ({ ...event, tenant_id: tenantId })));
      const [row] = await sessions.once("system", (db) =>
        db.execute<{ appended: number; settled: string | null }>(sql`select appended, settled from record_facts(${text}::jsonb)`),
      );
      tellSettled(observer, row?.settled);
      return row?.appended ?? 0;
    },

    async listen(onRun) {
      listeners.add(onRun);
      first ??= connect().catch(() => reconnectLater());
      await first;
      return {
        close: async () => {
          listeners.delete(onRun);
        },
      };
    },

    async heads(runIds) {
      const rows = await sessions.once("system", (db) =>
        db.execute<{ id: string; last_seq: number }>(sql`select id, last_seq from runs where id in (select unnest(${`{${runIds.join(",")}}`}::uuid[]))`),
      );
      return new Map(rows.map((row) => [row.id, row.last_seq]));
    },

    async close() {
      closed = true;
      clearTimeout(retry);
      await connection?.close();
    },
  };
}
