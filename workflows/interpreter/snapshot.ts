import type { NodeSnapshot } from "../messages.ts";
import { iso } from "./facts.ts";
import type { Frame } from "./frame.ts";

/** Every step of a frame that has begun or been settled. */
export function snapshotOf(frame: Frame): NodeSnapshot[] {
  return frame.steps.flatMap((state, index) => {
    if (state.status === "pending") return [];
    const step = frame.step(index);
    return [
      {
        node_id: step.id,
        iteration: frame.iteration,
        type: step.type,
        name: step.name,
        status: state.status,
        // A failure's way is told by its error, here as in the log.
        ...(state.route !== undefined && state.status === "completed" && { route: state.route }),
        ...(state.value !== undefined && { output: state.value }),
        ...(state.error !== undefined && { error: state.error }),
        ...(state.startedAt !== undefined && { started_at: iso(state.startedAt) }),
        ...(state.completedAt !== undefined && { completed_at: iso(state.completedAt) }),
      },
    ];
  });
}
