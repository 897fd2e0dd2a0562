import { type Finding, PerdureError } from "#core";
import { canMigrate, type Plan, type Step } from "#graph/runtime";
import type { Command, SentEvent } from "../messages.ts";
import { type Place, SETTLED, type Settlement } from "./frame.ts";
import type { KeptEvents } from "./kept-events.ts";
import type { Waits } from "./waits.ts";

/** What commands see of a run, and may do to it. */
export interface Commanded {
  readonly plan: Plan;
  readonly entryIds: readonly string[];
  readonly isEnding: boolean;
  /** Whether a compensation is at work to which the place belongs; without a place, whether any is. */
  isHelpedBy(place: Place | undefined): boolean;
  isPaused: boolean;
  readonly waits: Waits;
  readonly events: KeptEvents;
  readonly variables: Record<string, unknown>;
  /** Every step that has begun or been settled, of all iterations that live. */
  reached(): { node_id: string; iteration: string; status: Place["frame"]["steps"][number]["status"] }[];
  /** Nodes of another plan that would read values which are gone. */
  readersOfLost(plan: Plan): Finding[];
  /** Undefined where the iteration has not begun or has ended. */
  locate(nodeId: string, iteration: string): Place | undefined;
  /** Whether an activity of the step is under way or waits for its next attempt. */
  hasAttempts(place: Place): boolean;
  /** Settles a step otherwise than it would have been; what it has under way is called off first. */
  decide(place: Place, settlement: Settlement): void;
  tryAnew(place: Place): void;
  deliver(event: SentEvent): void;
  moveTo(version: number, plan: Plan): void;
  setPaused(paused: boolean): void;
}

/** Why a command cannot be taken now, or undefined. Changes nothing. */
export function refuse(run: Commanded, command: Command): PerdureError | undefined {
  if (run.isEnding && !helpsToUndo(run, command)) return new PerdureError("run.closed", "The run is ending and takes no more commands.");
  switch (command.kind) {
    case "pause":
      return run.isPaused ? new PerdureError("run.state", "The run is already paused.") : undefined;
    case "resume":
      return run.isPaused ? undefined : new PerdureError("run.state", "The run is not paused.");
    case "set_variable":
      return undefined;
    case "answer":
      return refuseAnswer(run, command);
    case "skip_node":
    case "complete_node":
      return refuseDecision(run, command);
    case "retry_node": {
      const place = run.locate(command.node_id, command.iteration);
      return place && run.hasAttempts(place) ? undefined : new PerdureError("run.state", `"${command.node_id}" has no attempt that could be made anew.`);
    }
    case "send_event":
      return run.events.hasRoomFor(command) ? undefined : new PerdureError("run.state", "The run keeps too many events that nothing has waited for.");
    case "migrate": {
      const verdict = canMigrate({ entries: run.entryIds, nodes: run.reached() }, run.plan, command.plan);
      const findings = verdict.ok
        ? run.readersOfLost(command.plan)
        : verdict.nodes.map(({ node_id, message }): Finding => ({ code: "migration.obstacle", message, node_id }));
      if (findings.length === 0) return undefined;
      return new PerdureError("run.state", "The run has come too far for that version.", { findings });
    }
  }
}

/** What undoes a run may itself wait for a person or an event, or for an attempt that does not come. */
function helpsToUndo(run: Commanded, command: Command): boolean {
  switch (command.kind) {
    case "send_event":
      return run.isHelpedBy(undefined);
    case "answer":
    case "skip_node":
    case "complete_node":
    case "retry_node": {
      const place = run.locate(command.node_id, command.iteration);
      return place !== undefined && run.isHelpedBy(place);
    }
    default:
      return false;
  }
}

/** Carries out what `refuse` let pass. */
export function apply(run: Commanded, command: Command): void {
  switch (command.kind) {
    case "pause":
    case "resume":
      return run.setPaused(command.kind === "pause");
    case "set_variable":
      run.variables[command.name] = command.value;
      return;
    case "answer": {
      const wait = run.waits.find(command.node_id, command.iteration);
      if (wait) run.waits.answer(wait, command.answer);
      return;
    }
    case "send_event": {
      const { kind: _kind, ...event } = command;
      return run.deliver(event);
    }
    case "migrate":
      return run.moveTo(command.version, command.plan);
    case "skip_node":
    case "complete_node":
    case "retry_node": {
      const place = run.locate(command.node_id, command.iteration);
      if (!place) return;
      if (command.kind === "retry_node") return run.tryAnew(place);
      return run.decide(
        place,
        command.kind === "skip_node"
          ? { status: "skipped" }
          : { status: "completed", value: command.output, ...(command.route !== undefined && { route: command.route }) },
      );
    }
  }
}

function refuseAnswer(run: Commanded, command: Extract<Command, { kind: "answer" }>): PerdureError | undefined {
  const wait = run.waits.find(command.node_id, command.iteration);
  if (!wait?.accept) {
    const place = run.locate(command.node_id, command.iteration);
    const done = place && SETTLED.has(place.frame.state(place.index).status);
    return done
      ? new PerdureError("approval.answered", `"${command.node_id}" has already been answered.`)
      : new PerdureError("run.state", `"${command.node_id}" does not wait for an answer.`);
  }
  const findings = wait.accept(command.answer);
  return findings.length > 0 ? new PerdureError("validation.failed", "The answer does not fit.", { findings }) : undefined;
}

function refuseDecision(run: Commanded, command: Extract<Command, { kind: "skip_node" | "complete_node" }>): PerdureError | undefined {
  const place = run.locate(command.node_id, command.iteration);
  if (!place) {
    return new PerdureError(
      "run.state",
      `There is no node "${command.node_id}"${command.iteration ? ` in an iteration ${command.iteration} that is under way` : ""}.`,
    );
  }
  if (SETTLED.has(place.frame.state(place.index).status)) return new PerdureError("run.state", `"${command.node_id}" has ended already.`);
  return command.kind === "complete_node" ? refuseRoute(place.frame.step(place.index), command.route) : undefined;
}

function refuseRoute({ id, routes = [] }: Step, route: string | undefined): PerdureError | undefined {
  if (routes.length === 0 ? route === undefined : route !== undefined && routes.includes(route)) return undefined;
  const message = routes.length === 0 ? `"${id}" has no routes to choose from.` : `"${id}" needs one of its routes: ${routes.join(", ")}.`;
  return new PerdureError("validation.failed", message, { findings: [{ code: "route.unknown", message, node_id: id, path: "route" }] });
}
