import {
  type FailureValue,
  type Finding,
  type Json,
  type JsonObject,
  type NodeStatus,
  ownProperty,
  PerdureError,
  type RunEvent,
  type RunStatus,
  toFailureValue,
} from "#core";
import type { Plan, SecretSlot, Step } from "#graph";
import { evaluate, type Scope, scopeFor } from "#graph/runtime";
import { type Answer, type ChildClosed, type Command, type Given, givenKey, type RunSnapshot, type SentEvent, type ToldFacts } from "../messages.ts";
import { type ControlStep, controlSteps, type WaitEnd } from "../control/index.ts";
import { Attempts } from "./attempts.ts";
import { Children } from "./children.ts";
import { apply, type Commanded, refuse } from "./commands.ts";
import { type Cursor, edgesFromText, edgesToText, type FrameCursor, keptStates } from "./cursor.ts";
import { type Arrival, combine, Frame, keyOf, type Place, SETTLED, type Settlement } from "./frame.ts";
import { Cancelled, type Cancellable, type Host, StepFailed } from "./host.ts";
import { KeptEvents } from "./kept-events.ts";
import { beginsOnlyFired, moveCursor, readersOfLost } from "./move.ts";
import { Undo } from "./undo.ts";
import { Loops, type Owner } from "./loops.ts";
import { type Outcome, resultOf } from "./outcome.ts";
import { liveRecipes } from "./providers.ts";
import { scopeOf } from "./scope.ts";
import { snapshotOf } from "./snapshot.ts";
import { type Told, Telling } from "./telling.ts";
import { type OpenWait, shownOf, Waits } from "./waits.ts";

/** Inline steps and turns of loops before the server gets a breath, far below the 5 s an activation may take. */
const STEPS_PER_BREATH = 2_000;
/** Characters of calls handed to the server at once; one message may have 4 MiB. */
const SENT_PER_BREATH = 1_500_000;
/** After a cursor that was too large. */
const STEPS_UNTIL_NEXT_CURSOR = 50;
/** Ids of commands that are known over the links of a chain. */
const COMMANDS_REMEMBERED = 1_000;

export interface RunIdentity {
  runId: string;
  tenantId: string;
  /** What `{{run.…}}` reads. */
  run: JsonObject;
}

export interface InlineContext {
  input: Json;
  arrivals: readonly Arrival[];
}

/** An inline node as the interpreter needs it: `nodes/inline.gen.ts`, or a test's own. */
export interface InlineDefinition {
  parse(inputs: unknown): { ok: true; inputs: Record<string, unknown> } | { ok: false; issues: { path: string; message: string }[] };
  run(inputs: Record<string, unknown>, context: InlineContext): { value: unknown; route?: string };
}

export interface InterpreterOptions {
  plan: Plan;
  identity: RunIdentity;
  inputs: JsonObject;
  variables: JsonObject;
  entries: readonly string[];
  /** By `givenKey`. */
  given?: Readonly<Record<string, Given>>;
  /** Activities and waits that are not given fail. */
  recordedOnly?: boolean;
  host: Host;
  inline: (type: string) => InlineDefinition | undefined;
  cursor?: Cursor;
}

/**
 * Walks a plan (graph.md 4). Everything it does to the world goes through its `Host`; between two awaits it is synchronous, so inline steps
 * cost no promise. It never throws for what a graph or a node does wrong: that is an outcome.
 */
export class Interpreter implements Commanded {
  readonly plan: Plan;
  private readonly identity: RunIdentity;
  private readonly inputs: JsonObject;
  readonly variables: JsonObject;
  private readonly given: Readonly<Record<string, Given>>;
  private readonly recordedOnly: boolean;
  private readonly host: Host;
  private readonly inlineDefinition: InterpreterOptions["inline"];
  private readonly entries: ReadonlySet<string>;
  private readonly root: Frame;
  private readonly telling: Telling;
  readonly waits: Waits;
  readonly events = new KeptEvents();
  private readonly children: Children;
  private readonly undo: Undo;
  /** What steps that are being called off come to instead. */
  private readonly decided = new Map<string, Settlement>();
  /** The plan to go on with. */
  private moving: { version: number; plan: Plan } | undefined;
  private applied: string[] = [];
  private readonly ready: Place[] = [];
  private readonly loops: Loops;
  private readonly attempts: Attempts;
  /** Waits on their way into the log. */
  private readonly confirming = new Set<Cancellable<void>>();
  isPaused = false;
  private status: RunStatus = "running";
  private statusEvents = 0;
  private startedAt: number;
  private steps = 0;
  /** Characters of the calls that had been made at the last breath. */
  private sent = 0;
  /** So many steps must be settled before it tries again to continue as new: what it would have to take along was too large. */
  private fullFrom = 0;
  private deadline: Cancellable<void> | undefined;
  private wake: (() => void) | undefined;
  /** Commands that have come and wait for their turn. */
  private expected = 0;
  private isOver = false;

  constructor(options: InterpreterOptions) {
    this.plan = options.plan;
    this.identity = options.identity;
    this.inputs = options.inputs;
    this.variables = Object.assign(Object.create(null) as JsonObject, options.variables);
    this.given = options.given ?? {};
    this.recordedOnly = options.recordedOnly ?? false;
    this.host = options.host;
    this.inlineDefinition = options.inline;
    this.entries = new Set(options.entries);
    this.root = new Frame(options.plan, "", this.entries);
    this.startedAt = options.host.now();
    this.telling = new Telling(options.identity.runId, options.host);
    this.waits = new Waits(options.host, (wait, end, answer) => this.settleWait(wait.place, end, answer));
    this.attempts = new Attempts(options.host, options.identity, {
      completed: (place, { value, route }) => this.settleDecided(place) || this.complete(place, value, route, "all"),
      failed: (place, error) => this.failStep(place, error),
      isWanted: (place) => !place.frame.ending && !this.decided.has(keyOf(place)),
      poke: () => this.poke(),
    });
    this.loops = new Loops(options.host, {
      enter: (frame) => this.enter(frame),
      callOff: (frame) => this.callOff(frame, "cancelled"),
      holds: (owner, item, position) => this.holds(owner, item, position),
      complete: (owner, value) => this.completeOwner(owner, value),
      fail: (place, error) => this.failStep(place, error),
      spend: () => this.steps++,
      isSpent: () => this.steps >= STEPS_PER_BREATH,
    });
    this.undo = new Undo(options.host, options.plan.settings.cleanup_ms, {
      begin: (frame) => {
        if (this.isPaused && this.host.isPatched("undo-is-not-paused")) this.children.setPaused(false);
        this.enter(frame);
      },
      callOff: (frame) => this.callOff(frame, "cancelled"),
      giveUp: (place) => this.failStep(place, new Cancelled()),
      poke: () => this.poke(),
    });
    this.children = new Children(options.host, (place, end, isCalledOff) => this.settleChild(place, end, isCalledOff));
    if (options.cursor) this.restore(options.cursor);
    else this.begin();
  }

  /** Runs to the end of the run, or to where it must continue as new. */
  async run(): Promise<Outcome> {
    this.watchDeadline();
    for (;;) {
      this.drain();
      this.tell();
      if (this.expected > 0) {
        await this.poked();
        continue;
      }
      if (this.isAtRest && this.confirming.size === 0 && (!this.moving || this.root.ending)) {
        if (!this.root.ending) return this.end();
        if (this.undo.isOwing && this.isFull() && this.host.isPatched("undo-continues-as-new")) {
          const outcome = await this.continueAsNew(true);
          if (outcome) return outcome;
        }
        if (!(await this.undo.beginNext())) return this.end();
        continue;
      }
      if (this.isStuck()) {
        this.callOff(this.undo.frame ?? this.root, {
          error: { code: "graph.stuck", message: `Nothing can run, but these nodes are not settled: ${this.pendingIds().join(", ")}.`, retryable: false },
        });
        continue;
      }
      if ((this.isFull() || this.moving) && this.attempts.size === 0 && !this.children.areStarting && this.confirming.size === 0 && !this.root.ending) {
        const outcome = await this.continueAsNew();
        if (outcome) return outcome;
        continue;
      }
      if (this.telling.keepsTooMuch) {
        await this.telling.confirmAll();
        this.steps = 0;
        continue;
      }
      if (this.steps >= STEPS_PER_BREATH || this.hasSentMuch) await this.host.breathe();
      else await this.poked();
      this.steps = 0;
      this.sent = this.attempts.sent;
    }
  }

  /** Calls off all that runs; the run ends as cancelled. */
  cancel(): void {
    this.callOff(this.root, "cancelled");
    this.poke();
  }

  /** A command has come and waits for its turn: until the function returned is called, the run neither ends nor continues as new. */
  expect(): () => void {
    this.expected++;
    return () => {
      this.expected--;
      this.poke();
    };
  }

  /** Why a command cannot be taken now, or undefined. Changes nothing. */
  refuse(command: Command): PerdureError | undefined {
    return refuse(this, command);
  }

  /** Applies a command that `refuse` let pass. */
  apply(command: Command): void {
    apply(this, command);
    this.updateStatus();
    this.poke();
  }

  /** Whether the command of that id has been applied, also in an earlier link of the chain. */
  hasApplied(commandId: string): boolean {
    return this.applied.includes(commandId);
  }

  rememberApplied(commandId: string): void {
    this.applied.push(commandId);
    if (this.applied.length > COMMANDS_REMEMBERED) this.applied.shift();
  }

  /** Of a command that came to nothing after all. */
  forgetApplied(commandId: string): void {
    const at = this.applied.indexOf(commandId);
    if (at >= 0) this.applied.splice(at, 1);
  }

  /** What the parent of this run was told passes on to it. */
  parentSays(what: "pause" | "resume"): void {
    if (!refuse(this, { kind: what })) this.apply({ kind: what });
  }

  get isEnding(): boolean {
    return this.isOver || this.root.ending !== undefined;
  }

  isHelpedBy(place: Place | undefined): boolean {
    if (this.isOver || !this.undo.frame) return false;
    for (let frame = place?.frame; frame; frame = frame.around?.owner.frame) if (frame === this.undo.frame) return !frame.ending;
    return place === undefined;
  }

  get entryIds(): string[] {
    return [...this.entries];
  }

  reached(): { node_id: string; iteration: string; status: NodeStatus }[] {
    return [...this.frames()].flatMap((frame) =>
      frame.body.steps.flatMap(({ id }, index) => {
        const { status } = frame.state(index);
        return status === "pending" ? [] : [{ node_id: id, iteration: frame.iteration, status }];
      }),
    );
  }

  readersOfLost(plan: Plan): Finding[] {
    return readersOfLost(this.frames(), plan);
  }

  locate(nodeId: string, iteration: string): Place | undefined {
    for (const frame of this.frames()) {
      const index = frame.iteration === iteration ? frame.find(nodeId) : undefined;
      if (index !== undefined) return { frame, index };
    }
    return undefined;
  }

  hasAttempts(place: Place): boolean {
    return this.attempts.has(place);
  }

  decide(place: Place, settlement: Settlement): void {
    const key = keyOf(place);
    const at = this.ready.findIndex((other) => keyOf(other) === key);
    if (at >= 0) this.ready.splice(at, 1);
    this.decided.set(key, settlement);
    if (!this.stop(place)) this.settleDecided(place);
  }

  tryAnew(place: Place): void {
    this.attempts.tryAnew(place);
  }

  deliver(event: SentEvent): void {
    if (!this.waits.deliver(event)) this.events.keep(event);
  }

  moveTo(version: number, plan: Plan): void {
    this.moving = { version, plan };
  }

  setPaused(paused: boolean): void {
    this.isPaused = paused;
    this.children.setPaused(paused);
  }

  /** A child run has ended. */
  childClosed(end: ChildClosed): void {
    this.children.closed(end);
  }

  snapshot(): RunSnapshot {
    return { status: this.status, nodes: [...this.frames()].flatMap(snapshotOf), waits: this.waits.snapshot(), variables: this.variables };
  }

  toldFacts(after: number): ToldFacts {
    return this.telling.toldFacts(after);
  }

  /** Nothing of the run is under way, nor a compensation. */
  private get isAtRest(): boolean {
    return this.undo.frame ? this.undo.frame.over : this.root.over;
  }

  private get hasSentMuch(): boolean {
    return this.attempts.sent - this.sent >= SENT_PER_BREATH;
  }

  private begin(): void {
    this.telling.run("run_start", {});
    const ready: number[] = [];
    this.plan.steps.forEach((step, index) => {
      if (this.root.state(index).status !== "pending") return;
      if (this.entries.has(step.id)) ready.push(index);
      else if (beginsOnlyFired(step)) this.settle({ frame: this.root, index }, { status: "skipped" });
    });
    this.enqueue(this.root, ready);
  }

  /** Starts what may start, in the order in which it became ready, then of the plan. */
  private drain(): void {
    const mayBegin = (): boolean => (this.undo.frame ? !this.undo.frame.ending : !this.root.ending && !this.isPaused && !this.moving && !this.isFull());
    while (mayBegin() && this.steps < STEPS_PER_BREATH && !this.hasSentMuch) {
      if (this.loops.advanceNext()) continue;
      const [place] = this.ready;
      if (!place) break;
      const step = place.frame.step(place.index);
      const passive = step.disabled || step.pinned_output !== undefined || this.givenOf(place) !== undefined;
      if (step.kind === "activity" && !passive && this.attempts.size >= this.plan.settings.max_parallel) break;
      this.ready.shift();
      this.start(place, step);
    }
    this.updateStatus();
  }

  private start(place: Place, step: Step): void {
    const { frame, index } = place;
    const state = frame.state(index);
    state.startedAt = this.host.now();
    state.status = "running";
    frame.inFlight++;
    const arrivals = frame.arrivals(index);
    const fired = this.isFired(place);
    const arrived = fired ? [] : (arrivals.get("input") ?? []);
    const input = this.inputOf(fired, arrived);
    const given = this.givenOf(place);
    if (given) return this.take(place, step, given);
    if (step.pinned_output) return this.complete(place, step.pinned_output.value, step.routes?.[0]);
    if (step.disabled) return this.complete(place, input, step.routes?.[0]);
    try {
      if (step.kind === "trigger") {
        this.steps++;
        return this.complete(place, input);
      }
      if (this.recordedOnly && (step.kind === "activity" || (step.kind === "control" && !step.body))) {
        throw new PerdureError("handler.rejected", `What "${step.id}" came to is not in the recording, and a replay calls nothing.`);
      }
      const scope = this.scope(frame, input);
      const { value, secrets } = evaluate(step.inputs, scope);
      const inputs = value as JsonObject;
      const named = [...arrivals].filter(([handle]) => handle !== "input").map(([handle, values]) => [handle, combine(values)] as const);
      const evaluated = named.length > 0 ? { ...inputs, ...Object.fromEntries(named) } : inputs;
      if (step.kind === "inline") this.runInline(place, step, evaluated, { input, arrivals: arrived }, named.length > 0);
      else if (step.kind === "activity") this.runActivity(place, step, evaluated, secrets, input, scope);
      else if (step.body) {
        this.loops.begin(place, step, evaluated, input);
        this.telling.start(place, evaluated);
      } else if (step.type === SUB_WORKFLOW_TYPE) {
        this.telling.start(place, evaluated);
        this.children.begin(place, step, evaluated, input);
      } else this.runControl(place, step, evaluated, input);
    } catch (error) {
      this.failStep(place, error);
    }
  }

  private givenOf({ frame, index }: Place): Given | undefined {
    return ownProperty(this.given, givenKey(frame.step(index).id, frame.iteration)) as Given | undefined;
  }

  /** What an earlier run came to stands for the node. */
  private take(place: Place, step: Step, { value, route, error, skipped }: Given): void {
    this.steps++;
    if (skipped) return this.settle(place, { status: "skipped" });
    if (error) this.failStep(place, new StepFailed(error, false));
    else this.complete(place, value ?? null, route, "nothing", undefined, true);
  }

  private isFired({ frame, index }: Place): boolean {
    return frame === this.root && this.entries.has(frame.step(index).id);
  }

  private inputOf(fired: boolean, arrived: readonly Arrival[]): Json {
    if (fired) return this.inputs;
    return arrived.length === 0 ? null : combine(arrived);
  }

  private runInline(place: Place, step: Step, inputs: JsonObject, context: InlineContext, fed: boolean): void {
    this.steps++;
    const definition = this.inlineDefinition(step.type);
    if (!definition) throw new PerdureError("configuration.invalid", `No inline node "${step.type}" is known here.`);
    const parsed = fed || step.inputs.k !== "lit" ? parse(step, definition, inputs) : inputs;
    const { value, route } = definition.run(parsed, context);
    this.complete(place, (value ?? null) as Json, route, "nothing", inputs);
  }

  private runActivity(place: Place, step: Step, inputs: JsonObject, secretSlots: SecretSlot[], input: Json, scope: Scope): void {
    const cache = step.cache && {
      ttl_ms: step.cache.ttl_ms,
      of: String(this.identity.run["workflow_id"] ?? this.identity.runId),
      ...(step.cache.key && { key: evaluate(step.cache.key, scope).value }),
    };
    this.attempts.launch(place, step, {
      inputs,
      secret_slots: secretSlots,
      input,
      ...(step.scope_roots && { scope: scopeFor(step.scope_roots, scope) }),
      ...(step.providers && { providers: liveRecipes(step.providers, scope) }),
      ...(cache && !isUndone(place) && { cache }),
    });
  }

  private settleChild(place: Place, end: ChildClosed | { failed: unknown }, isCalledOff: boolean): void {
    if (!this.settleDecided(place)) {
      if (!("failed" in end) && end.status === "completed") this.complete(place, end.outputs ?? null, undefined, "start");
      else if (isCalledOff) this.failStep(place, new Cancelled());
      else this.failStep(place, "failed" in end ? end.failed : new StepFailed(failureOfChild(end), false));
    }
    this.poke();
  }

  /** Settles a step as a command has said. @returns whether one has. */
  private settleDecided(place: Place): boolean {
    const key = keyOf(place);
    const settlement = this.decided.get(key);
    if (!settlement) return false;
    this.decided.delete(key);
    const begun = place.frame.state(place.index).status !== "pending";
    if (settlement.status === "completed") this.complete(place, settlement.value, settlement.route, begun ? "start" : "nothing");
    else this.settle(place, settlement);
    this.poke();
    return true;
  }

  private runControl(place: Place, step: Step, inputs: JsonObject, input: Json): void {
    const control: ControlStep | undefined = controlSteps[step.type];
    if (!control) throw new PerdureError("configuration.invalid", `"${step.type}" cannot run yet.`);
    const since = this.host.now();
    const wait = control.begin({ step, inputs, input, now: since, hasEdge: (route) => hasEdge(place, route) });
    const done = wait.done ?? this.events.takeFor(wait);
    if (done) return this.settleWait(place, done, undefined, "nothing");
    this.telling.start(place, inputs);
    const open: OpenWait = { ...wait, place, since, inputs };
    const fact = this.telling.waiting(place, { wait: wait.kind, ...shownOf(open) });
    place.frame.state(place.index).status = "waiting";
    if (wait.accept) this.confirmWait(fact);
    else this.telling.add(fact);
    this.waits.begin(open);
  }

  /** What a person must be able to see is written durably, not by the sink; the run does not wait for it. */
  private confirmWait(fact: RunEvent): void {
    this.tell();
    const work = this.host.confirm([fact]);
    this.confirming.add(work);
    const done = (): void => {
      this.confirming.delete(work);
      this.poke();
    };
    work.promise.then(done, done);
  }

  private settleWait(place: Place, end: WaitEnd, answer?: Answer, told: Told = "start"): void {
    if (told === "start") {
      const result = end.ok ? { route: end.route ?? "output" } : { error: end.error.toValue() };
      this.telling.resumed(place, { ...result, ...(answer && { answer }) });
    }
    if (end.ok) this.complete(place, end.value, end.route, told);
    else this.failStep(place, end.error);
    this.poke();
  }

  /** Begins what enters a body. */
  private enter(frame: Frame): void {
    this.enqueue(frame, frame.enter());
    this.skipUnreached(frame);
  }

  /** A body step that nothing leads to would keep its iteration open for ever. */
  private skipUnreached(frame: Frame): void {
    frame.body.steps.forEach((step, index) => {
      if (step.in.length === 0 && frame.state(index).status === "pending") this.settle({ frame, index }, { status: "skipped" });
    });
  }

  private holds({ place, step }: Owner, item: Json, position: number): boolean {
    if (!step.while) return true;
    const scope = this.scope(place.frame, item);
    const { value } = evaluate(step.while, { ...scope, item, index: position, ...(scope.item !== undefined && { outer: scope }) });
    if (typeof value === "boolean") return value;
    const condition = this.inlineDefinition("Condition");
    if (!condition) throw new PerdureError("configuration.invalid", "No inline node decides conditions here.");
    return condition.run(parse(step, condition, { condition: value }), { input: item, arrivals: [] }).route === "true";
  }

  private completeOwner({ place, step, inputs }: Owner, value: Json): void {
    const { reduce } = inputs;
    if (typeof reduce !== "string" || reduce === "") return this.complete(place, value, step.routes?.[0], "start");
    const scope = scopeFor(step.scope_roots ?? [], this.scope(place.frame, value));
    const { routes: _routes, ...plain } = step;
    this.attempts.launch(
      place,
      { ...plain, type: "Transform", local: true },
      { inputs: { expression: reduce }, secret_slots: [], input: value, scope: { ...scope, items: value } },
    );
  }

  private complete(place: Place, value: Json, route?: string, told: Told = "nothing", inputs?: JsonObject, isGiven = false): void {
    const { frame, index } = place;
    // A map that was reduced has been told as what reduced it; its route is its own.
    const chosen = route ?? (frame.step(index).body ? frame.step(index).routes?.[0] : undefined);
    this.telling.completed(place, { output: value, ...(chosen !== undefined && { route: chosen }), ...(isGiven && { given: true }) }, told, inputs);
    this.settle(place, { status: "completed", value, ...(chosen !== undefined && { route: chosen }) });
  }

  private failStep(place: Place, error: unknown): void {
    if (this.settleDecided(place)) return;
    const { frame, index } = place;
    const step = frame.step(index);
    if (error instanceof Cancelled) {
      this.telling.cancelled(place);
      this.settle(place, { status: "cancelled" });
      return;
    }
    const value = error instanceof StepFailed ? error.failure : toFailureValue(error);
    const failure: FailureValue = { node_id: step.id, ...(frame.iteration !== "" && { iteration: frame.iteration }), ...value };
    this.telling.failed(place, failure, error instanceof StepFailed && error.told);
    frame.errors[step.id] = failure as unknown as Json;
    const handled = step.on_error !== "fail";
    if (!handled) frame.ending ??= { error: failure };
    this.settle(place, { status: "failed", error: failure, handled });
    if (!handled) this.callOffRest(frame);
  }

  private settle(place: Place, settlement: Settlement): void {
    const { frame, index } = place;
    const begun = frame.state(index).status !== "pending";
    const step = frame.step(index);
    // What was given belongs to the run that did it.
    if (step.compensate && begun && !step.disabled && !step.pinned_output && !this.givenOf(place)) {
      if (settlement.status === "completed") this.undo.owe(place, settlement.value);
      else if (step.kind === "activity" && (settlement.status !== "skipped" || this.host.isPatched("skipped-calls-are-doubted"))) this.undo.doubt(place);
    }
    // What follows is the next plan's to say. Bodies that live are the same in both.
    const isHeld = this.moving !== undefined && frame === this.root;
    const { ready, skipped } = frame.settle(index, settlement, this.host.now(), isHeld);
    if (begun) frame.inFlight--;
    this.telling.count(settlement.status);
    if (settlement.status === "skipped") this.telling.skipped(place);
    for (const other of skipped) {
      this.telling.count("skipped");
      this.telling.skipped({ frame, index: other });
    }
    if (!frame.ending) this.enqueue(frame, ready);
    if (frame.over) this.loops.frameOver(frame);
  }

  private enqueue(frame: Frame, indices: readonly number[]): void {
    for (const index of indices) this.ready.push({ frame, index });
  }

  /** Nothing more begins in the frame; what has begun there is called off. */
  private callOff(frame: Frame, ending: NonNullable<Frame["ending"]>): void {
    if (frame.ending) return;
    frame.ending = ending;
    this.callOffRest(frame);
  }

  private callOffRest(frame: Frame): void {
    for (let at = this.ready.length - 1; at >= 0; at--) if (this.ready[at]?.frame === frame) this.ready.splice(at, 1);
    frame.body.steps.forEach((step, index) => {
      const place = { frame, index };
      const { status } = frame.state(index);
      // A workflow task that was lost may have come further than the one that counts.
      if (status === "pending" && step.local && step.compensate) this.undo.doubt(place);
      if (status === "pending" || SETTLED.has(status)) return;
      this.stop(place);
    });
    if (frame === this.root) for (const work of this.confirming) work.cancel();
    if (frame.over) this.loops.frameOver(frame);
  }

  /** Calls off what a step has under way, which settles it now or later. @returns whether there was anything. */
  private stop(place: Place): boolean {
    if (!this.waits.drop(place)) return this.loops.stop(place) || this.attempts.stop(place) || this.children.stop(place);
    this.failStep(place, new Cancelled());
    return true;
  }

  private watchDeadline(): void {
    const { deadline_ms: deadlineMs } = this.plan.settings;
    if (deadlineMs === undefined) return;
    this.deadline = this.host.timer(Math.max(0, this.startedAt + deadlineMs - this.host.now()), "Deadline of the run");
    this.deadline.promise.then(
      () => {
        this.callOff(this.root, { error: { code: "run.timed_out", message: "The run passed its deadline.", retryable: false } });
        this.poke();
      },
      () => undefined,
    );
  }

  private end(): Outcome {
    this.isOver = true;
    this.deadline?.cancel();
    this.undo.end();
    this.tell();
    const { ending } = this.root;
    const counts = { ...this.telling.tally };
    if (ending === "cancelled") return { kind: "cancelled", counts };
    if (ending) return { kind: "failed", error: ending.error, counts };
    return { kind: "completed", outputs: resultOf(this.root), counts };
  }

  private isFull(): boolean {
    return this.host.isFull() && this.telling.settledSteps >= this.fullFrom;
  }

  /** Undefined where what is still needed is too large to be taken along: the run goes on in this history. */
  private async continueAsNew(isUndoing = false): Promise<Outcome | undefined> {
    await this.telling.confirmAll();
    if (this.root.ending && !isUndoing) return undefined;
    const live = new Set(this.frames());
    const cursor: Cursor = {
      root: this.save(this.root),
      ready: this.ready.map(({ frame, index }) => ({ iteration: frame.iteration, id: frame.step(index).id })),
      ...(!this.loops.isIdle && { turns: this.loops.saveTurns() }),
      variables: this.variables,
      paused: this.isPaused,
      status: this.status,
      startedAt: this.startedAt,
      statusEvents: this.statusEvents,
      tally: this.telling.tally,
      applied: this.applied,
      events: this.events.all,
      undo: this.undo.save(
        (frame) => live.has(frame),
        (frame) => this.save(frame),
      ),
      ...(this.decided.size > 0 && { decided: this.saveDecided() }),
    };
    const moving = isUndoing ? undefined : this.moving;
    if (!moving && !this.host.fits(cursor)) {
      this.fullFrom = this.telling.settledSteps + STEPS_UNTIL_NEXT_CURSOR;
      return undefined;
    }
    this.deadline?.cancel();
    this.undo.end();
    this.waits.suspend();
    return moving ? { kind: "continue", cursor: moveCursor(cursor, this.plan, moving.plan, this.entries), moved: moving } : { kind: "continue", cursor };
  }

  private save(frame: Frame): FrameCursor {
    return {
      // Another plan may read what this one has no more use for.
      steps: this.moving ? frame.steps : keptStates(frame),
      edges: edgesToText(frame.edges),
      errors: frame.errors,
      waits: this.waits.save(frame),
      ...(frame.ending && { ending: frame.ending }),
      children: this.children.save(frame),
      iterating: this.loops.save(frame, (inner) => this.save(inner)),
    };
  }

  private saveDecided(): Cursor["decided"] {
    return Array.from(this.frames()).flatMap((frame) =>
      frame.body.steps.flatMap(({ id }, index) => {
        const settlement = this.decided.get(keyOf({ frame, index }));
        return settlement ? [{ iteration: frame.iteration, id, settlement }] : [];
      }),
    );
  }

  private restore(cursor: Cursor): void {
    this.startedAt = cursor.startedAt;
    this.isPaused = cursor.paused;
    this.applied = [...cursor.applied];
    for (const event of cursor.events) this.events.keep(event);
    this.status = cursor.status;
    this.statusEvents = cursor.statusEvents;
    Object.assign(this.variables, cursor.variables);
    Object.assign(this.telling.tally, cursor.tally);
    this.restoreFrame(this.root, cursor.root);
    const byName = new Map(
      [...this.frames()].flatMap((frame) => frame.body.steps.map((each, index) => [`${frame.iteration}:${each.id}`, { frame, index }] as const)),
    );
    for (const { iteration, id } of cursor.ready) {
      const place = byName.get(`${iteration}:${id}`);
      if (place) this.ready.push(place);
    }
    this.loops.restoreTurns(cursor.turns ?? []);
    for (const { iteration, id, settlement } of cursor.decided ?? []) {
      const place = byName.get(`${iteration}:${id}`);
      if (place) this.decided.set(keyOf(place), settlement);
    }
    this.undo.restore(cursor.undo, this.frames(), (frame, saved) => this.restoreFrame(frame, saved));
    for (const id of cursor.unfired ?? []) {
      const index = this.root.find(id);
      if (index !== undefined) this.settle({ frame: this.root, index }, { status: "skipped" });
    }
    if (cursor.moved) for (const frame of Array.from(this.frames())) if (!frame.ending) this.decideMoved(frame);
  }

  /** New edges may have decided more than the old ones had. */
  private decideMoved(frame: Frame): void {
    const { ready, skipped } = frame.undecided();
    const waiting = new Set(this.ready.map(keyOf));
    this.enqueue(
      frame,
      ready.filter((index) => !waiting.has(keyOf({ frame, index }))),
    );
    for (const index of skipped) if (frame.state(index).status === "pending") this.settle({ frame, index }, { status: "skipped" });
  }

  private restoreFrame(frame: Frame, saved: FrameCursor): void {
    frame.restore(saved.steps, edgesFromText(saved.edges));
    Object.assign(frame.errors, saved.errors);
    frame.ending = saved.ending;
    for (const { step: index, ...wait } of saved.waits) this.restoreWait({ frame, index }, wait);
    this.children.restore(frame, saved.children);
    this.loops.restore(frame, saved.iterating, (inner, kept) => this.restoreFrame(inner, kept));
  }

  private restoreWait(place: Place, { since, expiresAt, inputs: given }: Omit<FrameCursor["waits"][number], "step">): void {
    const { frame, index } = place;
    const step = frame.step(index);
    const input = this.inputOf(this.isFired(place), frame.arrivals(index).get("input") ?? []);
    try {
      const inputs = given ?? (evaluate(step.inputs, this.scope(frame, input)).value as JsonObject);
      const wait = controlSteps[step.type]?.begin({ step, inputs, input, now: since, hasEdge: (route) => hasEdge(place, route) });
      if (wait) this.waits.begin({ ...wait, place, since, inputs, ...(expiresAt !== undefined && { expiresAt }) });
    } catch (error) {
      this.failStep(place, error);
    }
  }

  /** The run's own frame, that of the compensation at work, and those of all iterations that live. */
  private *frames(): Iterable<Frame> {
    yield this.root;
    if (this.undo.frame) yield this.undo.frame;
    yield* this.loops.frames();
  }

  /** Nothing is under way but waits. */
  private get isIdle(): boolean {
    const underWay = this.attempts.size + this.confirming.size + this.children.size;
    return this.ready.length === 0 && this.loops.isIdle && underWay === 0;
  }

  private isStuck(): boolean {
    const isIdle = this.isIdle && this.waits.size === 0;
    return isIdle && !this.isAtRest && (this.undo.frame !== undefined || (!this.isPaused && !this.isFull() && !this.moving));
  }

  private pendingIds(): string[] {
    return this.plan.steps.filter((_step, index) => !SETTLED.has(this.root.state(index).status)).map(({ id }) => id);
  }

  private updateStatus(): void {
    const status: RunStatus = this.isPaused ? "paused" : this.isIdle && this.waits.size > 0 ? "waiting" : "running";
    if (this.root.ending || status === this.status) return;
    this.status = status;
    this.telling.run(status === "running" ? "resumed" : (status as "paused" | "waiting"), { status }, ++this.statusEvents);
  }

  private scope(frame: Frame, input: Json): Scope {
    return scopeOf(frame, input, { inputs: this.inputs, variables: this.variables, run: this.identity.run });
  }

  /** Hands the facts of this stretch to the log, and says in Temporal's Web UI where it stands. */
  private tell(): void {
    this.host.describe(this.describe());
    this.telling.flush();
  }

  private describe(): string {
    const name = ({ frame, index }: Place): string => `${frame.step(index).name} (${frame.step(index).type})`;
    const settled = this.root.steps.filter(({ status }) => SETTLED.has(status)).length;
    const parts = [`**${this.status}** – ${settled} of ${this.plan.steps.length} nodes settled`];
    const waiting = Array.from(this.waits.all(), ({ place }) => name(place));
    const running = this.plan.steps.flatMap((_step, index) => (this.root.state(index).status === "running" ? [name({ frame: this.root, index })] : []));
    if (running.length > 0) parts.push(`Running: ${running.join(", ")}`);
    if (waiting.length > 0) parts.push(`Waiting: ${waiting.join(", ")}`);
    return parts.join("\n\n");
  }

  private poked(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  private poke(): void {
    const { wake } = this;
    this.wake = undefined;
    wake?.();
  }
}

const SUB_WORKFLOW_TYPE = "SubWorkflow";

function failureOfChild({ status, error }: ChildClosed): FailureValue {
  const message = status === "cancelled" ? "The child run was cancelled." : `The child run failed: ${error?.message ?? status}`;
  const details = error && [{ code: error.code, message: error.message, ...(error.node_id !== undefined && { node_id: error.node_id }) }];
  return { code: "child.failed", message, retryable: false, ...(details && { details }) };
}

/** Plans that were compiled long ago cache what they may undo: a later run would take the result of what is no more. */
function isUndone({ frame, index }: Place): boolean {
  if (frame.step(index).compensate) return true;
  const { around } = frame;
  return around !== undefined && !around.isUndo && isUndone(around.owner);
}

function hasEdge({ frame, index }: Place, route: string): boolean {
  return frame.step(index).out.some((edgeIndex) => frame.body.edges[edgeIndex]?.route === route);
}

function parse(step: Step, definition: InlineDefinition, inputs: JsonObject): Record<string, unknown> {
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
