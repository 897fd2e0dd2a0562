import type { Handlers } from "../mount.ts";
import { remembered } from "../installation.ts";
import type { HealthProbes, Services } from "../services.ts";
import { requireToken } from "./metrics.ts";

/** A dependency that has not answered by then counts as down. */
const PROBE_TIMEOUT_MS = 2_000;
/** Answers of the dependencies are kept so long: the page is public and must not become a way to load them. */
const REMEMBERED_MS = 1_000;

interface Condition {
  status: "up" | "down";
  latency_ms: number;
}
type Conditions = Record<keyof HealthProbes, Condition>;

export function healthHandlers({
  health,
  db,
  shutdown,
  version,
  settings,
  installation,
}: Services): Handlers<"health" | "ready" | "detailedHealth" | "listCircuits"> {
  const conditions = remembered(async (): Promise<Conditions> => {
    const [postgres, temporal, qdrant] = await Promise.all([probe(health.postgres), probe(health.temporal), probe(health.qdrant)]);
    return { postgres, temporal, qdrant };
  }, REMEMBERED_MS);
  const circuitCounts = remembered(async () => {
    const counts = { found: null as { open: number; half_open: number } | null };
    await probe(async () => void (counts.found = await db.circuits.count()));
    return counts.found;
  }, REMEMBERED_MS);
  const workersOf = remembered(async () => {
    let found: { polling: number; backlog: number } | null = null;
    await probe(async () => {
      const queues = await installation.queues();
      const backlog = queues.reduce((sum, queue) => sum + queue.backlog, 0);
      found = { polling: queues.find(({ type }) => type === "workflow")?.pollers ?? 0, backlog };
    });
    return found as { polling: number; backlog: number } | null;
  }, REMEMBERED_MS);
  const timestamp = (): string => new Date().toISOString();

  return {
    health: () => ({ status: 200, body: { status: "healthy", timestamp: timestamp(), version } }),

    async ready() {
      if (shutdown.aborted || !serves(await conditions()))
        return { status: 503, body: { status: "not_ready", timestamp: timestamp() }, headers: { "retry-after": "1" } };
      return { status: 200, body: { status: "ready", timestamp: timestamp() } };
    },

    async detailedHealth({ c }) {
      if (settings.HEALTH_DETAILED === "token") requireToken(c, settings.METRICS_TOKEN);
      const dependencies = await conditions();
      const circuits = dependencies.postgres.status === "up" ? await circuitCounts() : null;
      if (!serves(dependencies))
        return {
          status: 503,
          body: { status: "unhealthy", timestamp: timestamp(), version, dependencies, circuits, workers: null },
          headers: { "retry-after": "1" },
        };
      const workers = await workersOf();
      const status = dependencies.qdrant.status === "up" && workers?.polling !== 0 ? ("healthy" as const) : ("degraded" as const);
      return { status: 200, body: { status, timestamp: timestamp(), version, dependencies, circuits, workers } };
    },

    async listCircuits({ principal }) {
      const found = await db.circuits.list(principal.tenantId);
      return { status: 200, body: found.map(({ kind, ...circuit }) => ({ kind: kind === "model" ? ("model" as const) : ("http" as const), ...circuit })) };
    },
  };
}

function serves({ postgres, temporal }: Conditions): boolean {
  return postgres.status === "up" && temporal.status === "up";
}

async function probe(ask: (signal: AbortSignal) => Promise<void>): Promise<Condition> {
  const startedAt = performance.now();
  const took = (): number => Math.round((performance.now() - startedAt) * 10) / 10;
  let timer: NodeJS.Timeout | undefined;
  const abort = new AbortController();
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      abort.abort();
      reject(new Error("no answer in time"));
    }, PROBE_TIMEOUT_MS);
  });
  try {
    await Promise.race([ask(abort.signal), tooLate]);
    return { status: "up", latency_ms: took() };
  } catch {
    return { status: "down", latency_ms: took() };
  } finally {
    clearTimeout(timer);
  }
}
