import type { LiveRows, Watcher, Watching } from "#db";
import type { Logger } from "#platform";
import type { Bus } from "./bus.ts";

/** Those who come and go together are told of together. */
const GATHER_MS = 50;
/** Of one message between processes, which may have 8,000 bytes: names have 200 characters at most. */
const TOLD_AT_ONCE = 15;
/** Of what is done when the database was away. */
const RETRY_MS = 1_000;

/** Who watches what, over all processes. A member counts once, however many connections they have. */
export interface Presence {
  enter(watching: Watching): void;
  leave(watching: Watching): void;
  close(): Promise<void>;
}

interface Local {
  readonly watching: Watching;
  connections: number;
  isNoted: boolean;
}

export function createPresence(rows: LiveRows, bus: () => Bus | undefined, validMs: number, logger: Logger): Presence {
  const process = crypto.randomUUID();
  const here = new Map<string, Local>();
  const changed = new Set<Local>();
  let gathering: NodeJS.Timeout | undefined;
  let working: Promise<void> = Promise.resolve();
  const keyOf = ({ tenantId, topic, userId }: Watching): string => `${tenantId}/${userId}/${topic}`;

  function note(watching: Watching, step: 1 | -1): void {
    const key = keyOf(watching);
    let local = here.get(key);
    if (!local) here.set(key, (local = { watching, connections: 0, isNoted: false }));
    local.connections += step;
    changed.add(local);
    gather(GATHER_MS);
  }

  function gather(ms: number): void {
    gathering ??= setTimeout(() => {
      gathering = undefined;
      working = working.then(settle);
    }, ms);
  }

  async function settle(): Promise<void> {
    const all = [...changed];
    changed.clear();
    const came = all.filter(({ connections, isNoted }) => connections > 0 && !isNoted);
    const went = all.filter(({ connections, isNoted }) => connections <= 0 && isNoted);
    for (const local of all) if (local.connections <= 0 && !local.isNoted) here.delete(keyOf(local.watching));
    try {
      const joined = await rows.join(process, came.map(toWatching), validMs);
      for (const local of came) local.isNoted = true;
      const left = await rows.leave(process, went.map(toWatching));
      for (const local of went) {
        local.isNoted = false;
        if (local.connections <= 0) here.delete(keyOf(local.watching));
        else changed.add(local);
      }
      await tell(joined, left);
    } catch (error) {
      logger.warn({ err: error }, "who watches what could not be noted; trying again");
      for (const local of all) changed.add(local);
    }
    if (changed.size > 0) gather(RETRY_MS);
  }

  async function tell(joined: readonly (Watching & { name: string })[], left: readonly (Watching & { name: string })[]): Promise<void> {
    const movements = new Map<string, { tenant: string; topic: string; joined: Watcher[]; left: Watcher[] }>();
    const of = ({ tenantId, topic }: Watching) => {
      const key = `${tenantId}/${topic}`;
      let movement = movements.get(key);
      if (!movement) movements.set(key, (movement = { tenant: tenantId, topic, joined: [], left: [] }));
      return movement;
    };
    for (const each of joined) of(each).joined.push({ user_id: each.userId, name: each.name });
    for (const each of left) of(each).left.push({ user_id: each.userId, name: each.name });
    for (const { joined: came, left: went, ...where } of movements.values()) {
      for (let at = 0; at < Math.max(came.length, went.length); at += TOLD_AT_ONCE) {
        await bus()?.tell({ movement: { ...where, joined: came.slice(at, at + TOLD_AT_ONCE), left: went.slice(at, at + TOLD_AT_ONCE) } });
      }
    }
  }

  /** Also tells of those whose process has gone without a word. */
  async function beat(): Promise<void> {
    try {
      const noted = [...here.values()].filter(({ isNoted }) => isNoted);
      if (noted.length > 0 && (await rows.stay(process, validMs)) < noted.length) {
        for (const local of noted) {
          local.isNoted = false;
          changed.add(local);
        }
        gather(0);
      }
      await tell([], await rows.sweepWatchers());
    } catch (error) {
      logger.warn({ err: error }, "who watches what could not be kept up; trying again");
    }
  }
  const beating = setInterval(() => (working = working.then(beat)), validMs / 3);
  beating.unref();

  return {
    enter: (watching) => note(watching, 1),
    leave: (watching) => note(watching, -1),
    async close() {
      clearInterval(beating);
      clearTimeout(gathering);
      gathering = setTimeout(() => undefined, 0);
      await working;
      await settle();
      clearTimeout(gathering);
    },
  };
}

function toWatching({ watching }: Local): Watching {
  return watching;
}
