import type { TenantId } from "#core";

/** A circuit breaker that is not closed. */
export interface CircuitState {
  state: "open" | "half_open";
  /** Failures in a row. */
  failures: number;
  /** ISO 8601. */
  opened_at: string;
  /** From when on a call may try again, ISO 8601. */
  retry_at: string;
}

/** Circuit breakers of all workers that stand open (A17), as the workers tell of them. */
export interface Circuits {
  /** By kind and name; each worker learns for itself, so that one host may stand there more than once. */
  list(tenant: TenantId): Promise<(CircuitState & { worker: string; kind: string; name: string })[]>;
  /** Of all tenants (system role). */
  count(): Promise<{ open: number; half_open: number }>;
  /** All that one worker knows of, in place of what it told before; forgotten after `validMs` unless it is told again (system role). */
  report(worker: string, circuits: readonly (CircuitState & { tenantId: string; kind: string; name: string })[], validMs: number): Promise<void>;
}
