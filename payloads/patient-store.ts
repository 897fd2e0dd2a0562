import { PerdureError } from "#core";
import type { PayloadStore } from "#db";

const AGAIN_MS = 250;

/**
 * A store that waits for a database that is away. What a worker cannot open fails its workflow task, and Temporal then lets the run rest for longer and
 * longer, so that a short restart of the database would cost minutes.
 */
export function patientStore(store: PayloadStore, patienceMs: number): PayloadStore {
  async function patiently<T>(ask: () => Promise<T>): Promise<T> {
    for (const until = Date.now() + patienceMs; ;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof PerdureError && error.retryable) || Date.now() + AGAIN_MS > until) throw error;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }
  return new Proxy(store, {
    get: (target, name: keyof PayloadStore) => {
      const method = target[name] as (...given: unknown[]) => Promise<unknown>;
      return (...given: unknown[]) => patiently(() => method.apply(target, given));
    },
  });
}
