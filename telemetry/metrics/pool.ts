import type { PoolState } from "#db";
import type { GaugeReading } from "./index.ts";

/** Of this process's connections to PostgreSQL. */
export function poolGauges({ busy, idle, free, waiting }: PoolState): GaugeReading {
  return {
    perdure_database_connections: Object.entries({ busy, idle, free }).map(([state, value]) => ({ labels: { state }, value })),
    perdure_database_waiting: [{ labels: {}, value: waiting }],
  };
}
