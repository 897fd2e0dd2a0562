import { CLOSING_KINDS, type TenantId } from "#core";
import type { Database } from "#db";
import type { Logger } from "#platform";
import { BoundedCache } from "../bounded-cache.ts";
import type { Feeds, LiveEvent } from "./feeds.ts";

/** What runs say in this time is looked at together. */
const GATHER_MS = 20;
/** Runs whose owner and newest event a process remembers. */
const RUNS_REMEMBERED = 50_000;
/** Runs under way of one organization whose newest event is noted when somebody begins to watch all of them. */
const OPEN_RUNS_MAX = 20_000;

/** Whose a run is. */
export interface Owner {
  readonly tenantId: TenantId;
  readonly workflowId: string | null;
  readonly createdBy: string | null;
}

/** Events of all runs of organizations as they happen, for topics that are about many runs. */
export interface OrganizationFeeds {
  /** Begins with the organization, or with those of its runs that nobody wanted so far: from now on. */
  follow(tenant: TenantId): Promise<void>;
  leave(tenant: TenantId): void;
}

export interface OrganizationAudience {
  wants(owner: Owner): boolean;
  deliver(owner: Owner, event: LiveEvent): void;
}

export function createOrganizationFeeds(db: Pick<Database, "log" | "live">, feeds: Feeds, audience: OrganizationAudience, logger: Logger): OrganizationFeeds {
  /** The runs of each organization that are read, with what ends that. */
  const followed = new Map<TenantId, Map<string, () => void>>();
  const owners = new BoundedCache<string, Owner>(RUNS_REMEMBERED);
  /** Number of the last event that was told, or is older than whoever watches; Infinity of a run that has ended. */
  const told = new BoundedCache<string, number>(RUNS_REMEMBERED);
  const called = new Set<string>();
  let listening: Promise<unknown> | undefined;
  let gathering: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();

  function call(runId: string): void {
    if (followed.size === 0) return;
    called.add(runId);
    gathering ??= setTimeout(() => {
      gathering = undefined;
      looking = looking.then(look);
    }, GATHER_MS);
  }

  async function look(): Promise<void> {
    const runIds = [...called];
    called.clear();
    try {
      const unknown = runIds.filter((id) => owners.get(id) === undefined);
      if (unknown.length > 0) for (const [id, owner] of await db.live.owners(unknown)) owners.set(id, owner);
      for (const id of runIds) read(id);
    } catch (error) {
      logger.warn({ err: error }, "runs could not be looked at; trying again when they speak");
    }
  }

  function read(runId: string): void {
    const owner = owners.get(runId);
    const reading = owner && followed.get(owner.tenantId);
    const after = told.get(runId) ?? 0;
    if (!owner || !reading || reading.has(runId) || after === Infinity || !audience.wants(owner)) return;
    const leave = feeds.follow(owner.tenantId, runId, after, {
      isFull: false,
      room: () => Promise.resolve(),
      deliver(event) {
        told.set(runId, CLOSING_KINDS.has(event.stored.kind) ? Infinity : event.stored.seq);
        audience.deliver(owner, event);
      },
      ended: () => reading.delete(runId),
    });
    reading.set(runId, leave);
  }

  /** What is under way has told its story so far to those who were there; a run that is not known by now is new. */
  async function begin(tenant: TenantId): Promise<void> {
    const heads = await db.live.openHeads(tenant, OPEN_RUNS_MAX);
    const reading = followed.get(tenant);
    for (const [id, head] of heads) if (!reading?.has(id)) told.set(id, Math.max(head, told.get(id) ?? 0));
  }

  return {
    async follow(tenant) {
      await (listening ??= db.log.listen(call));
      if (!followed.has(tenant)) followed.set(tenant, new Map());
      // In turn with the looks, so that none takes an old run for a new one.
      const begun = looking.then(() => begin(tenant));
      looking = begun.catch(() => undefined);
      await begun;
    },

    leave(tenant) {
      const reading = followed.get(tenant);
      followed.delete(tenant);
      for (const end of reading?.values() ?? []) end();
    },
  };
}
