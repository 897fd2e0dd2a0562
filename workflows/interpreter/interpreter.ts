import {
  type EventData,
  type EventKind,
  eventKey,
  type FailureValue,
  isObject,
  type Json,
  type JsonObject,
  type NodeStatus,
  PerdureError,
  type RunEvent,
  type RunStatus,
  toFailureValue,
} from "#core";
import type { Plan, ProviderRecipe, SecretSlot, Step } from "#graph";
import { evaluate, type Scope, scopeFor } from "#graph/runtime";
import type { Answer, Command, LiveRecipe, NodeCall, NodeSnapshot, RunSnapshot, WaitSnapshot } from "../messages.ts";
import { type ControlStep, controlSteps, type Wait } from "../control/index.ts";
import { type Cursor, edgesFromText, edgesToText, keptStates } from "./cursor.ts";
import { type Arrival, combine, Frame, SETTLED, type Settlement } from "./frame.ts";
import { Cancelled, type Cancellable, type Host, StepFailed } from "./host.ts";
import { countsOf, type Outcome, resultOf } from "./outcome.ts";

/** Inline steps evaluated before the server gets a breath, far below the 5 s an activation may take. */
const INLINE_STEPS_PER_BREATH = 2_000;
/** Facts in one `confirm`, so that its argument stays small. */
const FACTS_PER_CONFIRM = 200;

export interface RunIdentity {
  runId: string;
  tenantId: string;
  /** What `{{run.…}}` reads. */
  run: JsonObject;
}

/** An inline node as the interpreter needs it: `nodes/inline.gen.ts`, or a test's own. */
export interface InlineDefinition {
  parse(inputs: unknown): { ok: true; inputs: Record<string, unknown> } | { ok: false; issues: { path: string; message: string }[] };
  run(inputs: Record<string, unknown>, context: InlineContext): { value: unknown; route?: string };
}

export interface InlineContext {
  input: Json;
  arrivals: readonly Arrival[];
}

export interface InterpreterOptions {
  plan: Plan;
  identity: RunIdentity;
  inputs: JsonObject;
  variables: JsonObject;
  entries: readonly string[];
  host: Host;
  inline: (type: string) => InlineDefinition | undefined;
  cursor?: Cursor;
}

interface OpenWait extends Wait {
  step: number;
  since: number;
  expiresAt?: number;
}

/**
 * Walks a plan (graph.md 4). Everything it does to the world goes through its `Host`; between two awaits it is synchronous, so inline steps
 * cost no promise. It never throws for what a graph or a node does wrong: that is an outcome.
 */
export class Interpreter {
  private readonly plan: Plan;
  private readonly identity: RunIdentity;
  private readonly inputs: JsonObject;
  private readonly variables: JsonObject;
  private readonly host: Host;
  private readonly inlineDefinition: InterpreterOptions["inline"];
  private readonly entries: ReadonlySet<string>;
  private readonly frame: Frame;
  private readonly errors: Record<string, Json> = Object.create(null) as Record<string, Json>;
  private readonly ready: number[] = [];
  /** Work in flight that holds a slot of `max_parallel`. */
  private readonly running = new Map<number, Cancellable<unknown>>();
  private readonly waits = new Map<number, OpenWait>();
  private readonly timers = new Map<number, Cancellable<void>>();
  private facts: RunEvent[] = [];
  /** Facts only this workflow knows, confirmed before the chain goes on. */
  private unconfirmed: RunEvent[] = [];
  private paused = false;
  private status: RunStatus = "running";
  private statusEvents = 0;
  private startedAt: number;
  private inlineSteps = 0;
  private failure: { error: FailureValue } | "cancelled" | undefined;
  private deadline: Cancellable<void> | undefined;
  private wake: (() => void) | undefined;

  constructor(options: InterpreterOptions) {
    this.plan = options.plan;
    this.identity = options.identity;
    this.inputs = options.inputs;
    this.variables = Object.assign(Object.create(null) as JsonObject, options.variables);
    this.host = options.host;
    this.inlineDefinition = options.inline;
    this.entries = new Set(options.entries);
    this.frame = new Frame(options.plan, "", this.entries);
    this.startedAt = options.host.now();
    if (options.cursor) this.restore(options.cursor);
    else this.begin();
  }

  /** Runs to the end of the run, or to where it must continue as new. */
  async run(): Promise<Outcome> {
    this.watchDeadline();
    for (;;) {
      this.drain();
      this.tell();
      if (this.failure && this.running.size === 0) return this.end();
      if (!this.failure && this.frame.settled) return this.end();
      if (!this.failure && this.isStuck()) {
        this.fail({ code: "graph.stuck", message: `Nothing can run, but these nodes are not settled: ${this.pendingIds().join(", ")}.`, retryable: false });
        continue;
      }
      if (!this.failure && this.isFull && this.running.size === 0) return this.continueAsNew();
      if (this.inlineSteps >= INLINE_STEPS_PER_BREATH) {
        this.inlineSteps = 0;
        await this.host.breathe();
        continue;
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.inlineSteps = 0;
    }
  }

  /** Calls off all that runs; the run ends as cancelled. */
  cancel(): void {
    if (!this.failure) {
      this.failure = "cancelled";
      this.callOff();
    }
    this.poke();
  }

  /** Why a command cannot be taken now, or undefined. Changes nothing. */
  refuse(command: Command): PerdureError | undefined {
    if (this.failure) return new PerdureError("run.closed", "The run is ending and takes no more commands.");
    switch (command.kind) {
      case "pause":
        return this.paused ? new PerdureError("run.state", "The run is already paused.") : undefined;
      case "resume":
        return this.paused ? undefined : new PerdureError("run.state", "The run is not paused.");
      case "set_variable":
        return undefined;
      case "answer": {
        const index = this.frame.find(command.node_id);
        const wait = index === undefined ? undefined : this.waits.get(index);
        if (index === undefined || !wait?.accept) {
          const done = index !== undefined && SETTLED.has(this.frame.state(index).status);
          return done
            ? new PerdureError("approval.answered", `"${command.node_id}" has already been answered.`)
            : new PerdureError("run.state", `"${command.node_id}" does not wait for an answer.`);
        }
        const findings = wait.accept(command.answer);
        return findings.length > 0 ? new PerdureError("validation.failed", "The answer does not fit.", { findings }) : undefined;
      }
    }
  }

  /** Applies a command that `refuse` let pass. */
  apply(command: Command): void {
    switch (command.kind) {
      case "pause":
        this.paused = true;
        break;
      case "resume":
        this.paused = false;
        break;
      case "set_variable":
        this.variables[command.name] = command.value;
        break;
      case "answer":
        this.answer(this.frame.find(command.node_id) as number, command.answer);
        break;
    }
    this.updateStatus();
    this.poke();
  }

  snapshot(): RunSnapshot {
    const nodes: NodeSnapshot[] = [];
    this.frame.steps.forEach((state, index) => {
      if (state.status === "pending") return;
      const step = this.frame.step(index);
      nodes.push({
        node_id: step.id,
        iteration: this.frame.iteration,
        type: step.type,
        name: step.name,
        status: state.status,
        ...(state.route !== undefined && { route: state.route }),
        ...(state.value !== undefined && { output: state.value }),
        ...(state.error !== undefined && { error: state.error }),
        ...(state.startedAt !== undefined && { started_at: iso(state.startedAt) }),
        ...(state.completedAt !== undefined && { completed_at: iso(state.completedAt) }),
      });
    });
    return { status: this.status, nodes, waits: [...this.waits.values()].map((wait) => this.waitSnapshot(wait)), variables: this.variables };
  }

  private begin(): void {
    this.fact("run_start", undefined, 0, {});
    const ready: number[] = [];
    this.plan.steps.forEach((step, index) => {
      if (this.frame.state(index).status !== "pending") return;
      if (this.entries.has(step.id)) ready.push(index);
      else if (step.in.length === 0 || (step.kind === "trigger" && step.type !== "Start")) this.settle(index, { status: "skipped" });
    });
    this.enqueue(ready);
  }

  private restore(cursor: Cursor): void {
    this.frame.restore(cursor.steps, edgesFromText(cursor.edges));
    this.startedAt = cursor.startedAt;
    this.paused = cursor.paused;
    this.status = cursor.status;
    this.statusEvents = cursor.statusEvents;
    Object.assign(this.variables, cursor.variables);
    this.frame.steps.forEach((state, index) => {
      if (state.status === "failed") this.errors[this.frame.step(index).id] = state.error as unknown as Json;
    });
    for (const wait of cursor.waits) this.resumeWait(wait);
    this.enqueue(cursor.ready);
  }

  /** Starts what may start, in the order in which it became ready, then of the plan. */
  private drain(): void {
    while (!this.failure && !this.paused && this.ready.length > 0 && this.inlineSteps < INLINE_STEPS_PER_BREATH && !this.isFull) {
      const index = this.ready[0] as number;
      const step = this.frame.step(index);
      const passive = step.disabled || step.pinned_output !== undefined;
      if (step.kind === "activity" && !passive && this.running.size >= this.plan.settings.max_parallel) break;
      this.ready.shift();
      this.start(index, step);
    }
    this.updateStatus();
  }

  private start(index: number, step: Step): void {
    const state = this.frame.state(index);
    state.startedAt = this.host.now();
    state.status = "running";
    const arrivals = this.frame.arrivals(index);
    const fired = this.entries.has(step.id);
    const arrived = fired ? [] : (arrivals.get("input") ?? []);
    const input = this.inputOf(fired, arrived);
    if (step.pinned_output) return this.complete(index, step.pinned_output.value, step.routes?.[0]);
    if (step.disabled) return this.complete(index, input, step.routes?.[0]);
    try {
      if (step.kind === "trigger") {
        this.inlineSteps++;
        return this.complete(index, input);
      }
      const scope = this.scope(input);
      const { value, secrets } = evaluate(step.inputs, scope);
      const inputs = value as JsonObject;
      const named = [...arrivals].filter(([handle]) => handle !== "input").map(([handle, values]) => [handle, combine(values)] as const);
      const evaluated = named.length > 0 ? { ...inputs, ...Object.fromEntries(named) } : inputs;
      if (step.kind === "inline") this.runInline(index, step, evaluated, { input, arrivals: arrived }, named.length > 0);
      else if (step.kind === "control") this.runControl(index, step, evaluated, input);
      else this.runActivity(index, step, evaluated, secrets, input, scope);
    } catch (error) {
      this.failStep(index, error);
    }
  }

  private inputOf(fired: boolean, arrived: readonly Arrival[]): Json {
    if (fired) return this.inputs;
    return arrived.length === 0 ? null : combine(arrived);
  }

  private runInline(index: number, step: Step, inputs: JsonObject, context: InlineContext, fed: boolean): void {
    this.inlineSteps++;
    const definition = this.inlineDefinition(step.type);
    if (!definition) throw new PerdureError("configuration.invalid", `No inline node "${step.type}" is known here.`);
    let parsed: Record<string, unknown> = inputs;
    if (fed || step.inputs.k !== "lit") parsed = this.parse(step, definition, inputs);
    const { value, route } = definition.run(parsed, context);
    this.complete(index, (value ?? null) as Json, route, inputs);
  }

  private parse(step: Step, definition: InlineDefinition, inputs: JsonObject): Record<string, unknown> {
    const result = definition.parse(inputs);
    if (result.ok) return result.inputs;
    throw new PerdureError(
      "validation.failed",
      `The inputs of "${step.id}" do not fit: ${result.issues.map(({ path, message }) => `${path}: ${message}`).join("; ")}.`,
      {
        findings: result.issues.map(({ path, message }) => ({ code: "input.invalid", message, path, node_id: step.id })),
      },
    );
  }

  private runActivity(index: number, step: Step, inputs: JsonObject, secretSlots: SecretSlot[], input: Json, scope: Scope): void {
    const call: NodeCall = {
      run_id: this.identity.runId,
      tenant_id: this.identity.tenantId,
      node_id: step.id,
      iteration: this.frame.iteration,
      type: step.type,
      name: step.name,
      inputs,
      secret_slots: secretSlots,
      input,
      policy: step.policy,
      ...(step.scope_roots && { scope: scopeFor(step.scope_roots, scope) }),
      ...(step.providers && { providers: liveRecipes(step.providers, scope) }),
    };
    const work = this.host.runNode(step, call);
    this.running.set(index, work);
    work.promise.then(
      (result) => this.finish(index, () => this.complete(index, result.value, result.route, undefined, true)),
      (error: unknown) => this.finish(index, () => this.failStep(index, error)),
    );
  }

  private finish(index: number, settle: () => void): void {
    this.running.delete(index);
    settle();
    this.poke();
  }

  private runControl(index: number, step: Step, inputs: JsonObject, input: Json): void {
    const control: ControlStep | undefined = controlSteps[step.type];
    if (!control) throw new PerdureError("configuration.invalid", `"${step.type}" cannot run yet.`);
    const wait = control.begin({ step, inputs, input, now: this.host.now(), hasEdge: (route) => this.hasEdge(step, route) });
    if (wait.done) return this.settleWait(index, wait.done);
    this.tellStart(index, step, inputs);
    this.openWait({ ...wait, step: index, since: this.host.now() }, true);
  }

  private hasEdge(step: Step, route: string): boolean {
    return step.out.some((edgeIndex) => this.plan.edges[edgeIndex]?.route === route);
  }

  private openWait(wait: OpenWait, announce: boolean): void {
    const { step: index } = wait;
    const step = this.frame.step(index);
    this.frame.state(index).status = "waiting";
    this.waits.set(index, wait);
    if (announce) {
      const fact = this.makeFact("waiting", step, 1, { wait: wait.kind, type: step.type, name: step.name, ...this.waitData(wait) });
      if (wait.accept) this.confirmWait(index, fact);
      else this.push(fact);
    }
    if (wait.expiresAt !== undefined) {
      const timer = this.host.timer(Math.max(0, wait.expiresAt - this.host.now()), `${step.name} (${step.type})`);
      this.timers.set(index, timer);
      timer.promise.then(
        () => {
          this.timers.delete(index);
          if (this.waits.get(index) === wait) this.settleWait(index, wait.expire());
          this.poke();
        },
        () => undefined,
      );
    }
  }

  /** What a person must be able to see is written durably, not by the sink; the run does not wait for it. */
  private confirmWait(index: number, fact: RunEvent): void {
    this.tell();
    const work = this.host.confirm([fact]);
    const key = -1 - index;
    this.running.set(key, work);
    const done = (): void => {
      this.running.delete(key);
      this.poke();
    };
    work.promise.then(done, done);
  }

  private resumeWait(saved: Cursor["waits"][number]): void {
    const step = this.frame.step(saved.step);
    const input = this.inputOf(this.entries.has(step.id), this.frame.arrivals(saved.step).get("input") ?? []);
    const control = controlSteps[step.type];
    if (!control) return;
    try {
      const inputs = evaluate(step.inputs, this.scope(input)).value as JsonObject;
      const wait = control.begin({ step, inputs, input, now: saved.since, hasEdge: (route) => this.hasEdge(step, route) });
      if (wait.done) this.settleWait(saved.step, wait.done);
      else this.openWait({ ...wait, step: saved.step, since: saved.since, ...(saved.expiresAt !== undefined && { expiresAt: saved.expiresAt }) }, false);
    } catch (error) {
      this.failStep(saved.step, error);
    }
  }

  private answer(index: number, answer: Answer): void {
    const wait = this.waits.get(index);
    if (wait?.answer) this.settleWait(index, wait.answer(answer), answer);
  }

  private settleWait(index: number, settlement: NonNullable<Wait["done"]>, answer?: Answer): void {
    const step = this.frame.step(index);
    const wait = this.waits.get(index);
    this.waits.delete(index);
    this.timers.get(index)?.cancel();
    this.timers.delete(index);
    if (wait) {
      this.push(
        this.makeFact("resumed", step, 1, {
          ...(settlement.ok ? { route: settlement.route ?? "output" } : { error: settlement.error.toValue() }),
          ...(answer && { answer }),
        }),
      );
    }
    if (settlement.ok) this.complete(index, settlement.value, settlement.route, undefined, false, wait !== undefined);
    else this.failStep(index, settlement.error);
  }

  /** `told`: the worker has put start and end into the log. `started`: the start is in the log. */
  private complete(index: number, value: Json, route?: string, inputs?: JsonObject, told = false, started = false): void {
    const step = this.frame.step(index);
    if (!told) {
      if (!started) this.tellStart(index, step, inputs);
      this.tellEnd(index, step, "completed", { output: value, ...(route !== undefined && { route }) });
    }
    this.settle(index, { status: "completed", value, ...(route !== undefined && { route }) });
  }

  private failStep(index: number, error: unknown): void {
    const step = this.frame.step(index);
    if (error instanceof Cancelled) {
      this.tellEnd(index, step, "cancelled", {});
      this.settle(index, { status: "cancelled" });
      return;
    }
    const value = error instanceof StepFailed ? error.failure : toFailureValue(error);
    const failure: FailureValue = { ...value, node_id: step.id, ...(this.frame.iteration !== "" && { iteration: this.frame.iteration }) };
    if (!(error instanceof StepFailed && error.told)) {
      this.push(this.makeFact("node_error", step, 0, { error: failure, type: step.type, name: step.name, ...this.duration(index) }));
    }
    this.errors[step.id] = failure as unknown as Json;
    const handled = step.on_error !== "fail";
    this.settle(index, { status: "failed", error: failure, handled });
    if (!handled) this.fail(failure);
  }

  private settle(index: number, settlement: Settlement): void {
    const { ready, skipped } = this.frame.settle(index, settlement, this.host.now());
    if (settlement.status === "skipped") this.tellEnd(index, this.frame.step(index), "skipped", {});
    for (const other of skipped) this.tellEnd(other, this.frame.step(other), "skipped", {});
    this.enqueue(ready);
  }

  /** An entry ignores its own in-edges, so it may already have run. */
  private enqueue(indices: readonly number[]): void {
    for (const index of indices) {
      if (this.frame.state(index).status === "pending" && !this.ready.includes(index)) this.ready.push(index);
    }
  }

  private fail(error: FailureValue): void {
    if (this.failure) return;
    this.failure = { error };
    this.callOff();
    this.poke();
  }

  private callOff(): void {
    for (const work of this.running.values()) work.cancel();
    for (const timer of this.timers.values()) timer.cancel();
    this.timers.clear();
    for (const index of this.waits.keys()) {
      this.waits.delete(index);
      this.failStep(index, new Cancelled());
    }
  }

  private watchDeadline(): void {
    const { deadline_ms: deadlineMs } = this.plan.settings;
    if (deadlineMs === undefined) return;
    this.deadline = this.host.timer(Math.max(0, this.startedAt + deadlineMs - this.host.now()), "Deadline of the run");
    this.deadline.promise.then(
      () => this.fail({ code: "run.timed_out", message: "The run passed its deadline.", retryable: false }),
      () => undefined,
    );
  }

  private end(): Outcome {
    this.deadline?.cancel();
    this.tell();
    const counts = countsOf(this.frame);
    if (this.failure === "cancelled") return { kind: "cancelled", counts };
    if (this.failure) return { kind: "failed", error: this.failure.error, counts };
    return { kind: "completed", outputs: resultOf(this.frame), counts };
  }

  private async continueAsNew(): Promise<Outcome> {
    this.tell();
    for (let at = 0; at < this.unconfirmed.length; at += FACTS_PER_CONFIRM) await this.host.confirm(this.unconfirmed.slice(at, at + FACTS_PER_CONFIRM)).promise;
    if (this.failure) return this.end();
    this.deadline?.cancel();
    for (const timer of this.timers.values()) timer.cancel();
    return {
      kind: "continue",
      cursor: {
        steps: keptStates(this.frame),
        edges: edgesToText(this.frame.edges),
        ready: [...this.ready],
        waits: [...this.waits.values()].map(({ step, since, expiresAt }) => ({ step, since, ...(expiresAt !== undefined && { expiresAt }) })),
        variables: this.variables,
        paused: this.paused,
        status: this.status,
        startedAt: this.startedAt,
        statusEvents: this.statusEvents,
      },
    };
  }

  private get isFull(): boolean {
    return this.host.isFull();
  }

  private isStuck(): boolean {
    return !this.paused && this.ready.length === 0 && this.running.size === 0 && this.waits.size === 0;
  }

  private pendingIds(): string[] {
    return this.plan.steps.filter((_step, index) => !SETTLED.has(this.frame.state(index).status)).map((step) => step.id);
  }

  private updateStatus(): void {
    const idle = this.ready.length === 0 && this.running.size === 0 && this.waits.size > 0;
    const status: RunStatus = this.paused ? "paused" : idle ? "waiting" : "running";
    if (this.failure || status === this.status) return;
    this.status = status;
    this.fact(status === "running" ? "resumed" : status, undefined, 0, { status }, ++this.statusEvents);
  }

  private scope(input: Json): Scope {
    const frame = this.frame;
    return {
      input,
      inputs: this.inputs,
      variables: this.variables,
      run: this.identity.run,
      errors: this.errors,
      node: (id) => {
        const index = frame.find(id);
        if (index === undefined) return { state: "absent" };
        const state = frame.state(index);
        if (state.status === "skipped") return { state: "skipped" };
        if (state.status === "failed") return { state: "value", value: null };
        if (state.status !== "completed" || state.value === undefined) return { state: "absent" };
        const aliases = frame.step(index).output_aliases;
        return { state: "value", value: state.value, ...(aliases && { aliases }) };
      },
    };
  }

  private tellStart(index: number, step: Step, inputs?: JsonObject): void {
    const at = this.frame.state(index).startedAt ?? this.host.now();
    this.push(this.makeFact("node_start", step, 1, { type: step.type, name: step.name, ...(inputs && { input: inputs }) }, at));
  }

  private tellEnd(index: number, step: Step, status: NodeStatus, data: EventData): void {
    this.push(this.makeFact("node_end", step, status === "completed" ? 1 : 0, { status, type: step.type, name: step.name, ...data, ...this.duration(index) }));
  }

  private duration(index: number): EventData {
    const { startedAt } = this.frame.state(index);
    return startedAt === undefined ? {} : { duration_ms: this.host.now() - startedAt };
  }

  private fact(kind: EventKind, step: Step | undefined, attempt: number, data: EventData, detail?: number): void {
    this.push(this.makeFact(kind, step, attempt, data, this.host.now(), detail));
  }

  private makeFact(kind: EventKind, step: Step | undefined, attempt: number, data: EventData, at: number = this.host.now(), detail?: number): RunEvent {
    const iteration = step ? this.frame.iteration : "";
    return {
      run_id: this.identity.runId,
      key: eventKey(kind, step?.id, iteration, attempt, detail ?? ""),
      kind,
      at: iso(at),
      ...(step && { node_id: step.id, iteration, attempt: Math.max(1, attempt) }),
      data,
    };
  }

  private push(fact: RunEvent): void {
    this.facts.push(fact);
  }

  /** Hands the facts of this stretch to the log in one call. */
  private tell(): void {
    this.host.describe(this.describe());
    if (this.facts.length === 0) return;
    this.host.record(this.facts);
    for (const fact of this.facts) this.unconfirmed.push(fact);
    this.facts = [];
  }

  private describe(): string {
    const names = (indices: Iterable<number>): string =>
      [...indices]
        .filter((index) => index >= 0)
        .map((index) => `${this.frame.step(index).name} (${this.frame.step(index).type})`)
        .join(", ");
    const settled = this.frame.steps.filter((state) => SETTLED.has(state.status)).length;
    const parts = [`**${this.status}** – ${settled} of ${this.plan.steps.length} nodes settled`];
    const running = names(this.running.keys());
    const waiting = names(this.waits.keys());
    if (running) parts.push(`Running: ${running}`);
    if (waiting) parts.push(`Waiting: ${waiting}`);
    return parts.join("\n\n");
  }

  private waitSnapshot(wait: OpenWait): WaitSnapshot {
    const step = this.frame.step(wait.step);
    return { kind: wait.kind, node_id: step.id, iteration: this.frame.iteration, since: iso(wait.since), ...this.waitData(wait) };
  }

  private waitData(wait: OpenWait): Pick<WaitSnapshot, "prompt" | "data" | "schema" | "assignees" | "expires_at"> {
    return { ...wait.show, ...(wait.expiresAt !== undefined && { expires_at: iso(wait.expiresAt) }) };
  }

  private poke(): void {
    const { wake } = this;
    this.wake = undefined;
    wake?.();
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** Evaluates the templates of plugged-in providers; their secrets stay out of band. */
function liveRecipes(providers: Record<string, ProviderRecipe[]>, scope: Scope): Record<string, LiveRecipe[]> {
  return Object.fromEntries(
    Object.entries(providers).map(([handle, recipes]) => [
      handle,
      recipes.map(({ inputs, providers: nested, ...rest }) => {
        const { value, secrets } = evaluate(inputs, scope);
        return { ...rest, inputs: isObject(value) ? value : {}, secret_slots: secrets, ...(nested && { providers: liveRecipes(nested, scope) }) };
      }),
    ]),
  );
}
