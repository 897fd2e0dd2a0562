import { readdirSync, readFileSync } from "node:fs";
import { DefaultLogger, Runtime, Worker, type WorkflowBundle } from "@temporalio/worker";
import { beforeAll, expect, test } from "vitest";
import { bundleWorkflows } from "../../worker/bundle.ts";

/** Histories of runs of released versions: what ran then must replay now. One for each feature of the interpreter. */
const folder = new URL("../histories/", import.meta.url);
const files = readdirSync(folder).filter((file) => file.endsWith(".json"));

let workflowBundle: WorkflowBundle;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger("ERROR") });
  workflowBundle = await bundleWorkflows();
});

test("A10: When histories are kept, then there is one for each graph case and more", () => {
  expect(files.length).toBeGreaterThanOrEqual(10);
});

test.each(files)("A10: When the history %s is replayed, then today's interpreter gives the same commands", async (file) => {
  await expect(Worker.runReplayHistory({ workflowBundle }, JSON.parse(readFileSync(new URL(file, folder), "utf8")))).resolves.toBeUndefined();
});

test("A10: When a history asks for another node first, then replaying it is refused", async () => {
  const name = files.find((file) => file.startsWith("join-any")) as string;
  const text = readFileSync(new URL(name, folder), "utf8")
    .replaceAll('"TIMER_STARTED"', '"ACTIVITY_TASK_SCHEDULED"')
    .replaceAll("EVENT_TYPE_TIMER_STARTED", "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED");
  await expect(Worker.runReplayHistory({ workflowBundle }, JSON.parse(text))).rejects.toThrow();
});
