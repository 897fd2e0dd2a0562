import { pino } from "pino";
import { expect, test } from "vitest";
import { until } from "#tests/until.ts";
import { createRelay, type RelayOptions } from "./relay.ts";

test("A9: When a command of a run is kept, then later ones of it wait, but for those behind a move, which one of them may be to free", async () => {
  const rows = [
    { id: "1", runId: "moving", command: { kind: "migrate" } },
    { id: "2", runId: "moving", command: { kind: "skip_node" } },
    { id: "3", runId: "away", command: { kind: "pause" } },
    { id: "4", runId: "away", command: { kind: "resume" } },
  ];
  const sent: string[] = [];
  const relay = createRelay({
    db: { commands: { open: async () => rows.splice(0) } },
    runs: {
      deliver: async ({ id }: { id: string }) => {
        sent.push(id);
        return id === "2" ? "applied" : "kept";
      },
    },
    env: { COMMAND_WAIT_MS: 10 },
    logger: pino({ level: "silent" }),
    intervalMs: 1,
  } as unknown as RelayOptions);
  await until("all were sent", () => sent.length >= 3);
  await relay.close();
  expect(sent.toSorted()).toEqual(["1", "2", "3"]);
});
