import { eventKey, type Json, type RunEvent } from "#core";
import type { Plan } from "#graph";
import { inlineDefinition } from "../../workflows/inline.ts";
import type { Cursor } from "../../workflows/interpreter/cursor.ts";
import { StepFailed } from "../../workflows/interpreter/host.ts";
import { Interpreter } from "../../workflows/interpreter/interpreter.ts";
import { type Given, givenKey, type NodeResult } from "#workflows/messages";
import type { Outcome } from "../../workflows/interpreter/outcome.ts";
import type { ModelResult } from "./reference-model.ts";
import { comparable, type Scripted } from "./random-graph.ts";
import { quiet, VirtualClock, virtualHost } from "./virtual-host.ts";

/** Runs the interpreter itself over a plan in virtual time, commands and continue-as-new included. */
export async function interpret(
  plan: Plan,
  entries: string[],
  scripted: Scripted,
  earlier: { given?: Record<string, Given>; recordedOnly?: boolean; onCall?: (key: string) => void } = {},
): Promise<ModelResult & { facts: RunEvent[]; links: number }> {
  const clock = new VirtualClock();
  const facts: RunEvent[] = [];
  const { commands, nodes, fullEvery } = scripted;
  let inFlight = 0;
  let sinceFull = 0;
  let interpreter: Interpreter;
  const host = virtualHost(
    clock,
    {
      runNode(step, call) {
        const node = nodes.get(step.id);
        earlier.onCall?.(givenKey(step.id, call.iteration));
        inFlight++;
        const work = clock.schedule<NodeResult>(node?.duration ?? 1, () => {
          const fails = node?.fails === "odd" ? Number(call.iteration.split(".").at(-1)) % 2 === 1 : node?.fails;
          if (fails) return { error: new StepFailed({ code: "handler.failed", message: "scripted", retryable: false }, false) };
          const output: Json = { id: step.id, input: call.input };
          // As the worker does.
          const { iteration, node_id } = call;
          facts.push({
            run_id: "run",
            key: eventKey("node_end", node_id, iteration, 1),
            kind: "node_end",
            at: "then",
            node_id,
            iteration,
            attempt: 1,
            data: { status: "completed", output },
          });
          return { value: { value: output } };
        });
        const landed = (): void => {
          inFlight--;
        };
        work.promise.then(landed, landed);
        return work;
      },
      openChild: () => Promise.reject(new Error("no graph has children")),
      tellChild: () => undefined,
      receiptsOf: (asked) => Promise.resolve(asked.map(() => null)),
      isFull: () => fullEvery > 0 && inFlight === 0 && sinceFull >= fullEvery,
    },
    facts,
  );
  const { confirm, record } = host;
  const watch = (events: RunEvent[]): void => {
    for (const event of events) {
      if (event.kind === "node_end") sinceFull++;
      const node = event.kind === "waiting" && event.node_id ? nodes.get(event.node_id) : undefined;
      if (!node?.answer) continue;
      const { answer, id } = node;
      const iteration = event.iteration ?? "";
      clock.schedule(node.duration, () => {
        const command = { kind: "answer", node_id: id, iteration, answer: { decision: answer, by: "someone", at: "then" } } as const;
        if (!interpreter.refuse(command)) interpreter.apply(command);
        return { value: undefined };
      });
    }
  };
  host.confirm = (events) => {
    watch(events);
    return confirm(events);
  };
  host.record = (events) => {
    watch(events);
    record(events);
  };
  const options = {
    plan,
    identity: { runId: "run", tenantId: "tenant", run: {} },
    inputs: { start: true },
    variables: {},
    entries,
    host,
    inline: inlineDefinition,
    ...(earlier.given && { given: earlier.given }),
    ...(earlier.recordedOnly && { recordedOnly: true }),
  };
  interpreter = new Interpreter(options);
  if (commands.cancelAt !== undefined) clock.schedule(commands.cancelAt, () => ({ value: interpreter.cancel() }));
  for (const [at, kind] of [
    [commands.pause?.from, "pause"],
    [commands.pause?.until, "resume"],
  ] as const) {
    if (at === undefined) continue;
    clock.schedule(at, () => {
      if (!interpreter.refuse({ kind })) interpreter.apply({ kind });
      return { value: undefined };
    });
  }

  for (let links = 1; ; links++) {
    let outcome: Outcome | undefined;
    let broken: Error | undefined;
    interpreter.run().then(
      (result) => {
        outcome = result;
      },
      (error: unknown) => {
        broken = error as Error;
      },
    );
    await quiet();
    while (!outcome && !broken) {
      if (!clock.step()) throw new Error("the interpreter waits for nothing");
      await quiet();
    }
    if (broken) throw broken;
    const ended = outcome as Outcome;
    if (ended.kind === "continue") {
      sinceFull = 0;
      interpreter = new Interpreter({ ...options, cursor: JSON.parse(JSON.stringify(ended.cursor)) as Cursor });
      continue;
    }
    return {
      kind: ended.kind,
      ...(ended.kind === "completed" && { outputs: comparable(ended.outputs) ?? null }),
      ...(ended.kind === "failed" && { failedNode: ended.error.node_id }),
      nodes: rowsOf(facts),
      undone: undoneOf(facts),
      facts,
      links,
    };
  }
}

/** The first node of each compensation is named after what it undoes. */
function undoneOf(facts: readonly RunEvent[]): string[] {
  const ended = facts.filter(({ kind, node_id }) => (kind === "node_end" || kind === "node_error") && node_id?.endsWith("u"));
  return [...new Set(ended.map(({ iteration, node_id }) => `${iteration}:${node_id?.slice(0, -1)}`))];
}

/** Where each node of each iteration ended, as the log tells it. */
function rowsOf(facts: readonly RunEvent[]): ModelResult["nodes"] {
  const rows: ModelResult["nodes"] = {};
  for (const { kind, node_id, iteration, data } of facts) {
    const key = `${iteration}:${node_id}`;
    if (kind === "node_end") rows[key] = { status: data?.status as string, ...(data?.output !== undefined && { value: comparable(data.output) as Json }) };
    else if (kind === "node_error") rows[key] = { status: "failed" };
    else if (kind === "node_start") rows[key] ??= { status: "running" };
  }
  return rows;
}
