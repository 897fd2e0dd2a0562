import { randomUUID } from "node:crypto";
import type { Database } from "#db";
import type { Breakers, BreakerState } from "#integrations/breaker";
import type { Logger } from "#platform";

export interface CircuitReportsOptions {
  breakers: Pick<Breakers, "breakerStates">;
  circuits: Pick<Database["circuits"], "report">;
  /** How often it is told again what has not changed, in milliseconds. */
  intervalMs: number;
  logger: Logger;
}

export interface CircuitReports {
  /** A circuit opened, closed or is trying: it is told soon. */
  changed(): void;
  /** Takes back all that this worker has told. */
  close(): Promise<void>;
}

/** Reports that are missed before what a worker told is forgotten. */
const VALID_INTERVALS = 3;
/** Changes of one moment are told together. */
const GATHER_MS = 50;

/**
 * Tells all processes which circuits of this worker stand open. Only what is worth telling is written: a worker whose circuits are all closed
 * writes nothing. No call waits for it, and none fails with it.
 */
export function createCircuitReports({ breakers, circuits, intervalMs, logger }: CircuitReportsOptions): CircuitReports {
  const worker = randomUUID();
  let told = 0;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let soon = false;
  let last: Promise<void> = Promise.resolve();

  async function tell(): Promise<void> {
    const open = closed ? [] : breakers.breakerStates().flatMap(toRow);
    if (open.length === 0 && told === 0) return;
    try {
      await circuits.report(worker, open, VALID_INTERVALS * intervalMs);
      told = open.length;
    } catch (error) {
      logger.warn({ err: error }, "the state of the circuit breakers could not be written");
    }
  }

  function schedule(ms: number): void {
    clearTimeout(timer);
    timer = setTimeout(() => {
      soon = false;
      last = tell().then(() => {
        if (!closed && !soon) schedule(intervalMs);
      });
    }, ms);
    timer.unref();
  }

  schedule(intervalMs);
  return {
    changed() {
      if (closed || soon) return;
      soon = true;
      // What is being written may be of before; the next comes after it.
      void last.then(() => {
        if (!closed) schedule(GATHER_MS);
      });
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await last;
      await tell();
    },
  };
}

function toRow({ tenant_id: tenantId, kind, name, state, failures, opened_at, retry_in_ms: leftMs = 0 }: BreakerState) {
  if (state === "closed" || opened_at === undefined) return [];
  return [{ tenantId, kind, name, state, failures, opened_at, retry_at: new Date(Date.now() + leftMs).toISOString() }];
}
