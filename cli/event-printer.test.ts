import { expect, test } from "vitest";
import type { RunEvent } from "#client";
import { EventPrinter } from "./event-printer.ts";

const terminalOf = (out: (text: string) => void) => ({ out, err: () => {}, readInput: async () => "", ask: async () => undefined, isColoured: false, env: {} });
const event = (kind: RunEvent["kind"], fields: object): RunEvent =>
  ({ seq: 1, kind, run_id: "r", at: "2026-11-21T10:00:00.000Z", iteration: "", ...fields }) as RunEvent;

test("D9: When events of a run are printed, then commands and failed attempts are named on a line of their own", () => {
  let text = "";
  const printer = new EventPrinter(terminalOf((written) => (text += written)));
  printer.print(event("command", { node_id: "review", command: "answer" }));
  printer.print(event("command", { command: "pause" }));
  printer.print(event("node_retry", { node_id: "book", attempt: 1, retry_in_ms: 1000, error: { message: "It could not be reached." } }));
  expect(text.split("\n").map((line) => line.replace(/ {2,}/g, " "))).toEqual([
    "· review answer",
    "· the run pause",
    "↻ book attempt 1 failed: It could not be reached; again in 1 s",
    "",
  ]);
});

test.each([
  [
    true,
    ["… review waiting: Publish it?", " perdure approve r (or reject)", "… to waiting: Where to?", " perdure approve r --data <json>", "… rest waiting", ""],
  ],
  [false, ["… review waiting: Publish it?", "… to waiting: Where to?", "… rest waiting", ""]],
])("D9 A9: When a run waits for a person (live: %j), then the question is shown, and live the command that answers it", (isLive, lines) => {
  let text = "";
  const printer = new EventPrinter(
    terminalOf((written) => (text += written)),
    isLive,
  );
  printer.print(event("waiting", { node_id: "review", wait: "approval", prompt: "Publish\u001b it?" }));
  printer.print(event("waiting", { node_id: "to", wait: "input", prompt: "Where to?" }));
  printer.print(event("waiting", { node_id: "rest", wait: "timer" }));
  expect(text.split("\n").map((line) => line.replace(/ {2,}/g, " "))).toEqual(lines);
});
