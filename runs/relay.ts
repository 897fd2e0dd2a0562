import { isObject } from "#core";
import type { CommandRow, Database } from "#db";
import type { Env, Logger } from "#platform";
import type { RunsService } from "./create-runs.ts";
import { eachOf, type Rounds, startRounds } from "./rounds.ts";

/** How often commands that nobody took are looked for. */
const RELAY_INTERVAL_MS = 1_000;
const COMMANDS_PER_ROUND = 200;
const AT_ONCE = 8;
/** Beyond the wait of the process that stored the command, which is still trying itself. */
const MARGIN_MS = 1_000;

export interface RelayOptions {
  db: Pick<Database, "commands">;
  runs: Pick<RunsService, "deliver">;
  env: Pick<Env, "COMMAND_WAIT_MS">;
  logger: Logger;
  /** @default RELAY_INTERVAL_MS */
  intervalMs?: number;
  /** Age of a command from which on it is the relay's. @default COMMAND_WAIT_MS and a second */
  afterMs?: number;
}

/**
 * Sends commands again that no worker took: an Update that was not accepted is durable nowhere else. Safe in several processes: rows are taken
 * by one of them, and Temporal knows an Update by the row's id. Commands of one run keep their order, but for those behind a
 * move to another version.
 */
export function createRelay({ db, runs, env, logger, intervalMs = RELAY_INTERVAL_MS, afterMs = env.COMMAND_WAIT_MS + MARGIN_MS }: RelayOptions): Rounds {
  return startRounds({
    intervalMs,
    logger,
    name: "relaying commands",
    round: async () => {
      const open = await db.commands.open(afterMs, COMMANDS_PER_ROUND);
      const byRun = Object.values(Object.groupBy(open, ({ runId }) => runId));
      await eachOf(byRun, AT_ONCE, async (rows = []) => {
        for (const row of rows) {
          const delivery = await runs.deliver(row);
          logger.info({ run_id: row.runId, command_id: row.id, delivery }, "a kept command was sent again");
          // A move waits for what is under way, which a later command may be to end.
          if (delivery === "kept" && !isMove(row)) break;
        }
      });
    },
  });
}

function isMove({ command }: CommandRow): boolean {
  return isObject(command) && command["kind"] === "migrate";
}
