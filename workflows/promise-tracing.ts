/**
 * Turns off the SDK's tracing of promises in the workflow sandbox. For each promise its hook compiles functions and formats a stack, some 70 µs, so
 * that Temporal can be asked for the stack trace of a workflow; ours says where it stands in its current details instead. The hook reaches the
 * sandbox through `promise.constructor.constructor` (`@temporalio/worker/lib/workflow/vm-shared.js`); answered here, it finds nothing to trace, but
 * still whose promise it is, which it needs to blame an unhandled rejection on its run.
 *
 * Must be loaded before the sandbox is frozen: as a preloaded module of the bundle.
 */
interface Activator {
  info: unknown;
}

const NOTHING_KEPT = { promiseToStack: new Map<never, never>(), childToParent: new Map<never, never>() };

class Untraced {
  readonly stack = undefined;
}

function activator(): { info: unknown; promiseStackStore: typeof NOTHING_KEPT } | undefined {
  const { __TEMPORAL_ACTIVATOR__: current } = globalThis as { __TEMPORAL_ACTIVATOR__?: Activator };
  return current && { info: current.info, promiseStackStore: NOTHING_KEPT };
}

const ANSWERS: Readonly<Record<string, () => unknown>> = {
  "return globalThis.__TEMPORAL_ACTIVATOR__": activator,
  "return globalThis.Error": () => Untraced,
};

function compile(code: string): () => unknown {
  const answer = ANSWERS[code];
  if (!answer) throw new Error(`The Temporal SDK asks the sandbox for "${code}", which it did not when promise-tracing.ts was written.`);
  return answer;
}

Object.defineProperty(Promise, "constructor", { value: compile });
