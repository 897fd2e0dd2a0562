import { PerdureError } from "#core";
import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhenResult, type CircuitBreakerPolicy } from "cockatiel";
import type { Outcome } from "./outcome.ts";

export interface BreakerOptions {
  /** Failures in a row that open a circuit. @default 5 */
  failures?: number;
  /** How long it stays open, in milliseconds. @default 30,000 */
  openMs?: number;
  /** Circuits kept at once; the one not used for the longest time is forgotten first, and begins anew when it is used again. @default 1,000 */
  maxTargets?: number;
  /** Told of every change. */
  onChange?(state: BreakerState): void;
}

/** What a circuit stands before. */
export interface Target {
  tenantId: string;
  kind: "http" | "model";
  /** Host with its port, or provider. */
  name: string;
}

/** One circuit as health and metrics show it. */
export interface BreakerState {
  tenant_id: string;
  kind: Target["kind"];
  name: string;
  /** `half_open`: one call is trying whether the other side is back. */
  state: "closed" | "open" | "half_open";
  /** In a row, up to now. */
  failures: number;
  /** ISO 8601, of the last opening; absent while closed. */
  opened_at?: string;
  /** Milliseconds until a call may try again; absent while closed. */
  retry_in_ms?: number;
}

export interface Call<T> {
  /** Of the caller: what waits for a try under way ends with it. */
  signal: AbortSignal | null | undefined;
  ofResult(result: T): Outcome;
  ofError(error: unknown, signal: AbortSignal | undefined): Outcome;
}

export interface Breakers {
  /** @throws what `work` throws; PerdureError `upstream.circuit_open` with the time left while the circuit is open. */
  run<T>(target: Target, work: () => Promise<T>, call: Call<T>): Promise<T>;
  /** All circuits that are kept, the one used last at the end. */
  breakerStates(): BreakerState[];
}

interface Circuit {
  target: Target;
  policy: CircuitBreakerPolicy;
  breaker: ConsecutiveBreaker;
  openedAt: number;
  /** The call that tries, while the circuit is half open. */
  trial: Promise<unknown> | undefined;
}

/** Calls that come during a try wait for its end, so long at most, in milliseconds. */
const TRIAL_WAIT_MS = 5_000;

export function createBreakers(options: BreakerOptions = {}): Breakers {
  const { failures = 5, openMs = 30_000, maxTargets = 1_000 } = options;
  /** In the order of use. */
  const circuits = new Map<string, Circuit>();

  function circuitOf(target: Target): Circuit {
    const key = JSON.stringify([target.tenantId, target.kind, target.name]);
    const circuit = circuits.get(key) ?? make(target);
    circuits.delete(key);
    circuits.set(key, circuit);
    for (const oldest of circuits.keys()) {
      if (circuits.size <= maxTargets) break;
      circuits.delete(oldest);
    }
    return circuit;
  }

  function make(target: Target): Circuit {
    const breaker = new ConsecutiveBreaker(failures);
    const policy = circuitBreaker(
      handleWhenResult((ended) => (ended as Ended<unknown>).ill),
      { halfOpenAfter: openMs, breaker },
    );
    const circuit: Circuit = { target, policy, breaker, openedAt: 0, trial: undefined };
    policy.onStateChange((state) => {
      if (state === CircuitState.Open) circuit.openedAt = Date.now();
      options.onChange?.(stateOf(circuit));
    });
    return circuit;
  }

  function stateOf({ target, policy, breaker, openedAt }: Circuit): BreakerState {
    const isClosed = policy.state === CircuitState.Closed;
    return {
      tenant_id: target.tenantId,
      kind: target.kind,
      name: target.name,
      state: isClosed ? "closed" : policy.state === CircuitState.HalfOpen ? "half_open" : "open",
      failures: breaker.state,
      ...(!isClosed && { opened_at: new Date(openedAt).toISOString(), retry_in_ms: leftOf(openedAt) }),
    };
  }

  function leftOf(openedAt: number): number {
    return Math.max(0, openedAt + openMs - Date.now());
  }

  return {
    async run(target, work, call) {
      const circuit = circuitOf(target);
      const signal = call.signal ?? undefined;
      if (circuit.trial) await endOf(circuit.trial, signal);
      const left = leftOf(circuit.openedAt);
      if (circuit.trial || (circuit.policy.state === CircuitState.Open && left > 0))
        throw isOpen(target, failures, Math.max(left, circuit.trial ? TRIAL_WAIT_MS : 0));
      const ending = circuit.policy.execute(() => outcomeOf(work, call, circuit.policy.state === CircuitState.HalfOpen));
      if (circuit.policy.state === CircuitState.HalfOpen && !circuit.trial) {
        circuit.trial = ending.then(
          () => {},
          () => {},
        );
        void circuit.trial.then(() => (circuit.trial = undefined));
      }
      const ended = await ending;
      if ("error" in ended) throw ended.error;
      return ended.value;
    },
    breakerStates: () => [...circuits.values()].map(stateOf),
  };
}

type Ended<T> = { ill: boolean } & ({ value: T } | { error: unknown });

/**
 * How a call ended, as the breaker counts it. What is known to be neither good nor bad leaves a closed circuit as it is (it is thrown past it);
 * a try that ends so has not shown that the other side is back.
 */
async function outcomeOf<T>(work: () => Promise<T>, call: Call<T>, isTrial: boolean): Promise<Ended<T>> {
  try {
    const value = await work();
    return { value, ill: call.ofResult(value) === "ill" };
  } catch (error) {
    const outcome = call.ofError(error, call.signal ?? undefined);
    if (outcome === "unknown" && !isTrial) throw error;
    return { error, ill: outcome !== "well" };
  }
}

/** Resolves when the try has ended, or has taken too long to wait for. @throws the signal's reason. */
async function endOf(trial: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  let stop: (() => void) | undefined;
  const limit = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, TRIAL_WAIT_MS);
    const onAbort = () => reject(signal?.reason as Error);
    signal?.addEventListener("abort", onAbort, { once: true });
    stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
  });
  try {
    await Promise.race([trial, limit]);
  } finally {
    stop?.();
  }
}

function isOpen({ name }: Target, failures: number, retryAfterMs: number): PerdureError {
  return new PerdureError("upstream.circuit_open", `${name} failed ${failures} times in a row and is left alone for the moment.`, { retryAfterMs });
}
