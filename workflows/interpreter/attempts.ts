import { PerdureError } from "#core";
import type { Step } from "#graph";
import type { NodeCall, NodeResult } from "../messages.ts";
import { keyOf, type Place } from "./frame.ts";
import { Cancelled, type Cancellable, type Host } from "./host.ts";

/** Of one call, which travels beside Temporal where it is large: an output of 50 MiB, given as input and within the inputs. */
const CALL_MAX_CHARACTERS = 128 * 1024 * 1024;

/** What is a call's own; the rest follows from its place and its run. */
type AttemptCall = Pick<NodeCall, "inputs" | "secret_slots" | "input" | "scope" | "providers" | "cache">;

export interface AttemptEnds {
  completed(place: Place, result: NodeResult): void;
  failed(place: Place, error: unknown): void;
  /** Whether a call that was called off to be made anew is still wanted. */
  isWanted(place: Place): boolean;
  poke(): void;
}

/** Calls of activities that are under way; each holds a slot of `max_parallel` until its last attempt has ended. */
export class Attempts {
  private readonly host: Host;
  private readonly of: { runId: string; tenantId: string };
  private readonly ends: AttemptEnds;
  private readonly running = new Map<string, Cancellable<NodeResult>>();
  /** Steps whose attempts are made anew. */
  private readonly anew = new Set<string>();
  /** Characters of all calls made. */
  sent = 0;

  constructor(host: Host, of: { runId: string; tenantId: string }, ends: AttemptEnds) {
    this.host = host;
    this.of = of;
    this.ends = ends;
  }

  get size(): number {
    return this.running.size;
  }

  has(place: Place): boolean {
    return this.running.has(keyOf(place));
  }

  /** @throws PerdureError where the call is too large or its plan does not say how it is retried. */
  launch(place: Place, step: Step, call: AttemptCall, round = 0): void {
    const key = keyOf(place);
    const { policy } = step;
    if (!policy) throw new PerdureError("configuration.invalid", `The plan has no retry policy for "${step.id}".`);
    const whole: NodeCall = {
      run_id: this.of.runId,
      tenant_id: this.of.tenantId,
      node_id: step.id,
      iteration: place.frame.iteration,
      type: step.type,
      name: step.name,
      policy,
      ...call,
      ...(round > 0 && { round }),
    };
    const size = JSON.stringify(whole).length;
    if (size > CALL_MAX_CHARACTERS) throw new PerdureError("request.too_large", `What "${step.id}" is given is larger than ${CALL_MAX_CHARACTERS} characters.`);
    this.sent += size;
    const work = this.host.runNode(step, whole);
    this.running.set(key, work);
    const finish = (settle: () => void): void => {
      this.running.delete(key);
      settle();
      this.ends.poke();
    };
    work.promise.then(
      (result) => finish(() => this.ends.completed(place, result)),
      (error: unknown) =>
        finish(() => {
          if (this.anew.delete(key) && error instanceof Cancelled && this.ends.isWanted(place)) this.launch(place, step, call, round + 1);
          else this.ends.failed(place, error);
        }),
    );
  }

  tryAnew(place: Place): void {
    this.anew.add(keyOf(place));
    this.stop(place);
  }

  /** @returns whether there is one to call off. */
  stop(place: Place): boolean {
    const work = this.running.get(keyOf(place));
    work?.cancel();
    return work !== undefined;
  }
}
