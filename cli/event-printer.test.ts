import { expect, test } from "vitest";
import type { RunEvent } from "#client";
import { EventPrinter } from "./event-printer.ts";

test("D9: When events of a run are printed, then commands and failed attempts are named on a line of their own", () => {
  let text = "";
  const printer = new EventPrinter({
    out: (written) => (text += written),
    err: () => {},
    readInput: async () => "",
    ask: async () => undefined,
    isColoured: false,
    env: {},
  });
  const event = (kind: RunEvent["kind"], fields: object): RunEvent =>
    ({ seq: 1, kind, run_id: "r", at: "2026-11-21T10:00:00.000Z", iteration: "", ...fields }) as RunEvent;
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
