import { AsyncLocalStorage } from "node:async_hooks";

/** What every line of the log says while some work is done: `correlation_id`, `trace_id`, `run_id` … */
export type LogContext = Readonly<Record<string, string>>;

const context = new AsyncLocalStorage<LogContext>();

/** Adds to what is said already. */
export function inLogContext<T>(fields: LogContext, work: () => T): T {
  return context.run({ ...context.getStore(), ...fields }, work);
}

export function logContext(): LogContext | undefined {
  return context.getStore();
}
