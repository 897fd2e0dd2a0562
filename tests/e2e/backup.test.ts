import { execFile } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { JsonObject } from "#core";
import { migrate } from "#db";
import { qdrantBinary, silentProgress, startPostgres, startQdrant, startTemporal, temporalBinary } from "../../scripts/infra/index.ts";
import { backUp } from "../../scripts/backup/index.ts";
import type { TestClient } from "../support/client.ts";
import { startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { checkRun } from "../support/run-checker.ts";
import { createTemporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const PROGRAM = fileURLToPath(new URL("../../scripts/backup/main.ts", import.meta.url));

const chain = (ids: readonly string[]): JsonObject[] => ids.slice(1).map((target, at) => ({ source: ids[at] as string, target }));
const asking = (outside: string): JsonObject => {
  const call = (id: string): JsonObject => ({ id, type: "HttpRequest", data: { inputs: { url: `${outside}/{{run.id}}/${id}`, method: "POST" } } });
  return {
    nodes: [
      { id: "start", type: "Start" },
      call("before"),
      { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Go on?" } } },
      { id: "nap", type: "Delay", data: { inputs: { duration: "4s" } } },
      call("after"),
      { id: "end", type: "End", data: { inputs: { value: { by: "{{ask.comment}}" } } } },
    ],
    edges: [...chain(["start", "before", "ask"]), { source: "ask", target: "nap", sourceHandle: "approved" }, ...chain(["nap", "after", "end"])],
  };
};
const parent = (child: string): JsonObject => ({
  nodes: [
    { id: "start", type: "Start" },
    { id: "sub", type: "SubWorkflow", data: { inputs: { workflow_id: child } } },
    { id: "end", type: "End" },
  ],
  edges: chain(["start", "sub", "end"]),
});

async function servers(folder: string) {
  const step = silentProgress.step("");
  const [postgres, temporal, qdrant] = await Promise.all([
    startPostgres({ folder: join(folder, "postgres"), logFile: join(folder, "logs/postgres.log") }),
    temporalBinary(step).then((binary) => startTemporal({ binary, folder: join(folder, "temporal"), logFile: join(folder, "logs/temporal.log") })),
    qdrantBinary(step).then((binary) => startQdrant({ binary, folder: join(folder, "qdrant"), logFile: join(folder, "logs/qdrant.log") })),
  ]);
  return { postgres, temporal, qdrant, stop: () => Promise.all([postgres.stop(), temporal.stop(), qdrant.stop()]) };
}

async function approval(user: TestClient, run: string): Promise<string> {
  let id: unknown;
  await until("the approval", async () => {
    const { body } = await user.get<JsonObject[]>("/api/v1/approvals?status=pending&limit=100");
    id = body.find((row) => row["execution_id"] === run)?.["id"];
    return id !== undefined;
  });
  return id as string;
}

const answer = async (user: TestClient, id: string, comment: string) =>
  expect((await user.post(`/api/v1/approvals/${id}`, { decision: "approved", comment })).status).toBe(200);

async function vectors(url: string): Promise<unknown> {
  const answered = await fetch(`${url}/collections/notes/points/7`);
  return ((await answered.json()) as { result?: { payload?: unknown } }).result?.payload;
}

test("K4 A9: When everything is backed up, wiped and restored, then a waiting approval can be answered, what had happened while the backup was made goes on, and no call is made twice", async () => {
  const { path: root, remove } = await createTemporaryFolder();
  const [installation, backup] = [join(root, "installation"), join(root, "backup")];
  const outside = await startCountingServer();
  let infrastructure = await servers(installation);
  await migrate(infrastructure.postgres.url);
  const begin = (env: Record<string, string> = {}): Promise<Perdure> =>
    startPerdure(
      { TEMPORAL_TASK_QUEUE: "graph", QDRANT_URL: infrastructure.qdrant.url, ...env },
      { databaseUrl: infrastructure.postgres.url, temporalAddress: infrastructure.temporal.url },
    );
  const first = await begin();
  const { user } = first;
  const json = { "content-type": "application/json" };
  await fetch(`${infrastructure.qdrant.url}/collections/notes`, {
    method: "PUT",
    headers: json,
    body: JSON.stringify({ vectors: { size: 2, distance: "Dot" } }),
  });
  const point = { id: 7, vector: [1, 2], payload: { text: "kept" } };
  await fetch(`${infrastructure.qdrant.url}/collections/notes/points?wait=true`, { method: "PUT", headers: json, body: JSON.stringify({ points: [point] }) });

  const workflow = await user.saveWorkflow(asking(outside.url));
  const outer = await user.saveWorkflow(parent(workflow), "Outer");
  const [waiting, answered, ended] = [await user.start(workflow), await user.start(workflow), await user.start(workflow)];
  const [waitingApproval, answeredApproval, endedApproval] = [await approval(user, waiting), await approval(user, answered), await approval(user, ended)];
  const outerRun = await user.start(outer);
  const pending = async (by: TestClient) => (await by.get<JsonObject[]>("/api/v1/approvals?status=pending")).body;
  await until("the child's approval", async () => (await pending(user)).length === 4);

  let [begun, begunAndAnswered] = ["", ""];
  const manifest = await backUp(backup, {
    databaseUrl: infrastructure.postgres.url,
    temporalFile: join(installation, "temporal/temporal.db"),
    qdrant: { url: infrastructure.qdrant.url },
    // Of all this Temporal's copy knows nothing.
    async between() {
      await answer(user, endedApproval, "ended");
      expect(await user.ended(ended)).toMatchObject({ status: "completed" });
      [begun, begunAndAnswered] = [await user.start(workflow), await user.start(workflow)];
      const [, second] = await Promise.all([begun, begunAndAnswered].map((run) => approval(user, run)));
      const child = (await pending(user)).find((row) => ![waiting, answered, begun, begunAndAnswered].includes(row["execution_id"] as string));
      // All of these nap while Postgres is copied.
      await answer(user, second as string, "between");
      await answer(user, answeredApproval, "meanwhile");
      await answer(user, child?.["id"] as string, "child");
    },
  });
  expect(manifest.tables.find(({ name }) => name === "runs")?.rows).toBe(7);
  expect(manifest.collections.map(({ name }) => name)).toEqual(["notes"]);
  await first.stop();
  await infrastructure.stop();
  rmSync(installation, { recursive: true });
  expect(existsSync(installation)).toBe(false);

  const { PAYLOAD_KEYS = "", JWT_SECRET_KEY = "" } = first.settings;
  const env = { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", PERDURE_DATA: installation };
  const restore = (more: Record<string, string>) => promisify(execFile)(process.execPath, [PROGRAM, "restore", backup], { env: { ...env, ...more } });
  await expect(restore({})).rejects.toThrow("Keys are not in this backup");
  const { stdout } = await restore({ PAYLOAD_KEYS });
  expect(stdout).toContain("Restored.");
  await expect(restore({ PAYLOAD_KEYS })).rejects.toThrow("--force");

  infrastructure = await servers(installation);
  const second = await begin({ PAYLOAD_KEYS, JWT_SECRET_KEY });
  const again = user.at(second.base);
  try {
    expect(await vectors(infrastructure.qdrant.url)).toEqual({ text: "kept" });
    expect(await again.run(waiting)).toMatchObject({ status: "waiting" });
    await answer(again, waitingApproval, "after");
    await answer(again, await approval(again, begun), "after");

    expect(await again.ended(waiting)).toMatchObject({ status: "completed", outputs: { by: "after" } });
    expect(await again.ended(begun)).toMatchObject({ status: "completed", outputs: { by: "after" } });
    expect(await again.ended(answered)).toMatchObject({ status: "completed", outputs: { by: "meanwhile" } });
    expect(await again.ended(begunAndAnswered)).toMatchObject({ status: "completed", outputs: { by: "between" } });
    expect(await again.ended(outerRun)).toMatchObject({ status: "completed", outputs: { by: "child" } });
    expect(await again.run(ended)).toMatchObject({ status: "completed", outputs: { by: "ended" } });
    for (const run of [waiting, begun, answered, begunAndAnswered, ended, outerRun]) await checkRun(second, again, run);
    expect(Object.entries(outside.counts()).filter(([, times]) => times !== 1)).toEqual([]);
    // Two calls of each of six runs: those that were started here, and the child.
    expect(outside.calls).toHaveLength(12);
  } finally {
    await second.stop();
    await infrastructure.stop();
    await outside.close();
    await remove();
  }
});
