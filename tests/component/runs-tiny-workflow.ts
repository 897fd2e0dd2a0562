/** Stands for the interpreter: ends as its inputs say, and keeps what it was told. */
import {
  ApplicationFailure,
  CancelledFailure,
  condition,
  defineQuery,
  defineUpdate,
  isCancellation,
  proxyActivities,
  setHandler,
  sleep,
} from "@temporalio/workflow";
import type { CommandEnvelope, RunGraphFailure, RunGraphInput, RunGraphResult, RunSnapshot } from "#workflows/messages";

export async function runGraph(input: RunGraphInput): Promise<RunGraphResult> {
  const { mode, nodes = 0 } = input.inputs as { mode?: string; nodes?: number };
  const commands: string[] = [];
  let isDone = mode !== "wait";
  setHandler(
    defineUpdate<void, [CommandEnvelope]>("command"),
    ({ command }) => {
      commands.push(command.kind);
      if (command.kind === "answer") isDone = true;
    },
    {
      validator: ({ command }) => {
        if (command.kind === "resume")
          throw ApplicationFailure.create({ type: "run.state", message: "The run is not paused.", nonRetryable: true, details: [[]] });
        if (command.kind === "answer" && command.answer.data === "bad") {
          throw ApplicationFailure.create({
            type: "validation.failed",
            message: "The answer does not fit.",
            nonRetryable: true,
            details: [[{ code: "validation.type", message: "is wrong", path: "data" }]],
          });
        }
        if (command.kind === "answer" && isDone)
          throw ApplicationFailure.create({ type: "approval.answered", message: "Answered.", nonRetryable: true, details: [[]] });
      },
    },
  );
  const at = new Date(0).toISOString();
  setHandler(defineQuery<RunSnapshot>("snapshot"), (): RunSnapshot => ({
    status: mode === "wait" && !isDone ? "waiting" : "running",
    nodes: [
      ...Array.from({ length: nodes }, (_, n) => ({
        node_id: `n${n}`,
        iteration: "",
        type: "Set",
        name: `N${n}`,
        status: "completed" as const,
        output: n,
        started_at: at,
        completed_at: at,
      })),
      ...(mode === "wait"
        ? [
            {
              node_id: "ask",
              iteration: "",
              type: "HumanApproval",
              name: "Ask",
              status: isDone ? ("completed" as const) : ("waiting" as const),
              started_at: at,
            },
          ]
        : []),
    ],
    waits: mode === "wait" && !isDone ? [{ kind: "approval", node_id: "ask", iteration: "", prompt: "Go?", assignees: [], since: at }] : [],
    variables: {},
  }));
  try {
    if (mode === "wait") await condition(() => isDone);
    if (mode === "slow") await sleep(300);
    if (mode === "call") await proxyActivities<{ call(): Promise<void> }>({ startToCloseTimeout: "1 minute" }).call();
    if (mode === "long") await sleep("1 day");
  } catch (error) {
    if (isCancellation(error)) throw new CancelledFailure("The run was cancelled.");
    throw error;
  }
  if (mode === "fail" || mode === "time_out") {
    const details: RunGraphFailure = {
      error:
        mode === "fail"
          ? { code: "upstream.failed", message: "It broke.", retryable: false, node_id: "n0" }
          : { code: "run.timed_out", message: "Late.", retryable: false },
      counts: {},
    };
    throw ApplicationFailure.create({ type: details.error.code, message: details.error.message, nonRetryable: true, details: [details] });
  }
  return { status: "completed", outputs: { commands }, counts: { completed: nodes } };
}
