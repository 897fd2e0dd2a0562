import { ActivityFailure, ApplicationFailure, CancellationScope, CancelledFailure, proxySinks, type WorkflowInterceptors } from "@temporalio/workflow";
import { CALLED_OFF, type LocalCallSinks } from "./messages.ts";
import { inTurn } from "./one-by-one.ts";

const { localCalls } = proxySinks<{ localCalls: LocalCallSinks["localCalls"] }>();

/**
 * Calls local activities off through the worker's own process, in which they run, and not through Temporal's core. There a result that arrives while the
 * workflow asks for the cancel is an invalid transition (`local_activity_state_machine.rs` takes no `Cancel` in `MarkerCommandCreated`), which fails
 * the workflow task as not deterministic and does the work again.
 *
 * A call-off that meets the wait before a new attempt in core's memory (at most `localRetryThreshold`) is heeded when that begins.
 */
export const interceptors = (): WorkflowInterceptors => ({
  outbound: [
    {
      async scheduleLocalActivity(input, next) {
        const scope = CancellationScope.current();
        if (!scope.cancellable || scope.consideredCancelled) return inTurn(next(input));
        let isOpen = true;
        let isCalledOff = false;
        scope.cancelRequested.catch(() => {
          if (!isOpen) return;
          isCalledOff = true;
          localCalls.callOff(input.seq);
        });
        try {
          return await CancellationScope.nonCancellable(() => inTurn(next(input)));
        } catch (error) {
          throw wasCalledOff(error) ? new CancelledFailure("The call was called off.") : error;
        } finally {
          isOpen = false;
          if (isCalledOff) localCalls.forget(input.seq);
        }
      },
    },
  ],
});

function wasCalledOff(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure && cause.type === CALLED_OFF;
}
