import { PerdureError } from "#core";
import type { Logger } from "#platform";
import type { WebSocket } from "ws";
import type { Caller, Standing } from "../security/caller.ts";
import type { ApiSettings } from "../services.ts";
import { CLOSE, Connection, type Guest } from "./connection.ts";

/** How often a process looks after its connections. */
const LOOK_INTERVAL_MS = 500;
/** Those who are told to come again wait so long. */
const COME_AGAIN_MS = 5_000;

/** A place for one connection, taken before its handshake. */
export interface Seat {
  /** Counts it for its caller, who said late who they are. @throws PerdureError `rate.limited`. */
  name(caller: Caller): void;
  open(socket: WebSocket, guest: (connection: Connection) => Guest): Connection;
  free(): void;
}

/** All connections of this process: how many there may be, and who looks after them. */
export interface Connections {
  /** @throws PerdureError `rate.limited` where there are too many of the member, of the organization, in the process, or without a name. */
  seat(caller: Caller | undefined): Seat;
  /** Open now, and ended for being too slow since the start. */
  readonly counts: { open: number; tooSlow: number };
}

export function createConnections(settings: ApiSettings, standing: Standing, shutdown: AbortSignal, logger: Logger): Connections {
  const open = new Set<Connection>();
  const taken = { all: 0, anonymous: 0, byOrganization: new Map<string, number>(), byUser: new Map<string, number>() };
  const counts = { open: 0, tooSlow: 0 };
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    const now = Date.now();
    for (const connection of open) {
      if (connection.look(now, standing) !== "tooSlow") continue;
      counts.tooSlow++;
      const principal = connection.caller?.principal;
      logger.info({ ...(principal && { tenant_id: principal.tenantId, user_id: principal.userId }) }, "a reader that was too slow was disconnected");
    }
    if (open.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  shutdown.addEventListener(
    "abort",
    () => {
      for (const connection of open) connection.close(CLOSE.goingAway, "The server is restarting: connect again and go on from the last id.");
    },
    { once: true },
  );

  function take(map: Map<string, number>, key: string, most: number, setting: string): void {
    const number = map.get(key) ?? 0;
    if (number >= most) throw tooMany(setting, most);
    map.set(key, number + 1);
  }
  function give(map: Map<string, number>, key: string): void {
    const number = (map.get(key) ?? 0) - 1;
    if (number > 0) map.set(key, number);
    else map.delete(key);
  }

  return {
    counts,
    seat(caller) {
      if (taken.all >= settings.LIVE_CONNECTIONS_MAX) throw tooMany("LIVE_CONNECTIONS_MAX", settings.LIVE_CONNECTIONS_MAX);
      let tenant: string | undefined;
      let user = "";
      let isFree = false;

      function name({ principal: { tenantId, userId } }: Caller): void {
        take(taken.byOrganization, tenantId, settings.LIVE_CONNECTIONS_ORGANIZATION_MAX, "LIVE_CONNECTIONS_ORGANIZATION_MAX");
        try {
          take(taken.byUser, `${tenantId}/${userId}`, settings.LIVE_CONNECTIONS_USER_MAX, "LIVE_CONNECTIONS_USER_MAX");
        } catch (error) {
          give(taken.byOrganization, tenantId);
          throw error;
        }
        tenant = tenantId;
        user = `${tenantId}/${userId}`;
      }

      if (caller) name(caller);
      else if (taken.anonymous >= settings.LIVE_ANONYMOUS_MAX) throw tooMany("LIVE_ANONYMOUS_MAX", settings.LIVE_ANONYMOUS_MAX);
      else taken.anonymous++;
      taken.all++;

      const free = (): void => {
        if (isFree) return;
        isFree = true;
        taken.all--;
        if (tenant === undefined) taken.anonymous--;
        else {
          give(taken.byOrganization, tenant);
          give(taken.byUser, user);
        }
      };
      return {
        name(late) {
          name(late);
          taken.anonymous--;
        },
        free,
        open(socket, guestOf) {
          const connection = new Connection(socket, settings);
          if (caller) connection.caller = caller;
          open.add(connection);
          counts.open = open.size;
          timer ??= setInterval(look, LOOK_INTERVAL_MS);
          connection.serve(guestOf(connection), () => {
            open.delete(connection);
            counts.open = open.size;
            free();
          });
          if (shutdown.aborted) connection.close(CLOSE.goingAway, "The server is restarting: connect again.");
          return connection;
        },
      };
    },
  };
}

function tooMany(setting: string, most: number): PerdureError {
  return new PerdureError("rate.limited", `There are ${most} connections open, which is the most (${setting}).`, { retryAfterMs: COME_AGAIN_MS });
}
