import { Connection } from "@temporalio/client";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { promoteBuild } from "#runs";
import { type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { workflowIdOf } from "../support/record-history.ts";
import { openTemporal } from "../support/sealed.ts";
import { imageTree, type SourceTree } from "../support/source-tree.ts";

/** Live at once, in each form of deploy. */
const RUNS = 200;
const AT_ONCE = 20;

let outside: CountingServer;
let image: SourceTree;
let perdure: Perdure | undefined;

beforeAll(async () => {
  outside = await startCountingServer();
  image = await imageTree();
});
afterEach(async () => {
  await perdure?.stop();
  perdure = undefined;
});
afterAll(async () => {
  await image?.remove();
  await outside?.close();
});

/** Some call, then all wait for a person, then they loop, call in parallel and wait for a timer. */
const graph = () => ({
  nodes: [
    { id: "start", type: "Start" },
    { id: "first", type: "HttpRequest", data: { inputs: { method: "POST", url: `${outside.url}/first` } } },
    { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Go on?", timeout: "1 day" } } },
    { id: "left", type: "HttpRequest", data: { inputs: { method: "POST", url: `${outside.url}/left` } } },
    { id: "right", type: "Delay", data: { inputs: { duration: "200 ms" } } },
    { id: "sum", type: "Merge" },
    { id: "end", type: "End" },
  ],
  edges: [
    { source: "start", target: "first" },
    { source: "first", target: "ask" },
    { source: "ask", target: "left", sourceHandle: "approved" },
    { source: "ask", target: "right", sourceHandle: "approved" },
    { source: "left", target: "sum" },
    { source: "right", target: "sum" },
    { source: "sum", target: "end" },
  ],
});

test("K5: When only what the image holds is there, then api and worker start from it and a run completes", async () => {
  perdure = await startPerdure({}, { root: image.root });
  const run = await perdure.user.start(
    await perdure.user.saveWorkflow({
      nodes: [
        { id: "start", type: "Start" },
        { id: "end", type: "End" },
      ],
      edges: [{ source: "start", target: "end" }],
    }),
    { a: 1 },
  );
  expect(await perdure.user.until(run, ["completed", "failed"])).toMatchObject({ status: "completed" });
});

test.each(["all at once", "by Temporal's worker versioning"])(
  `A10 K5: When changed workers take over ${RUNS} live runs %s, then none is stuck, none fails to replay, and no call is made twice`,
  async (form) => {
    const isVersioned = form !== "all at once";
    const deployment = `test-${Math.random().toString(36).slice(2)}`;
    const build = (buildId: string): Record<string, string> => (isVersioned ? { WORKER_DEPLOYMENT: deployment, WORKER_BUILD_ID: buildId } : {});
    perdure = await startPerdure(build("old"));
    const { user } = perdure;
    const connection = await Connection.connect({ address: perdure.temporalAddress });
    const temporal = await openTemporal(perdure);
    const promote = (buildId: string) => promoteBuild(connection, { namespace: "perdure", deployment, buildId }, 30_000);
    const changed = await imageTree();
    try {
      if (isVersioned) await promote("old");
      const before = outside.calls.length;
      const workflow = await user.saveWorkflow(graph());
      const runs: string[] = [];
      await eachOf(Array.from({ length: RUNS }), async () => void runs.push(await user.start(workflow)));
      // Half of them are in the middle of their calls while the workers change.
      await eachOf(runs.slice(0, RUNS / 2), async (run) => void (await user.until(run, ["waiting"])));

      await changed.change("workflows/interpreter/interpreter.ts", "nodes settled`", "nodes settled, says the new build`");
      await perdure.startWorker(build("new"), changed.root);
      if (isVersioned) await promote("new");
      await perdure.worker.stop();

      const waiting = new Map<string, string>();
      await eachOf(runs, async (run) => {
        const { waiting_for: waits } = await user.until(run, ["waiting"]);
        waiting.set(run, (waits as { approval_id: string }[])[0]?.approval_id ?? "");
      });
      const handleOf = async (run: string) => temporal.client.workflow.getHandle(workflowIdOf(await user.run(run)));
      const said = await (await handleOf(runs[0] as string)).query<{ currentDetails?: string }>("__temporal_workflow_metadata");
      expect(said.currentDetails, "the new build has replayed what the old one did").toContain("says the new build");

      await eachOf(runs, async (run) => {
        // 202: kept, and applied a moment later.
        expect([200, 202]).toContain((await user.post(`/api/v1/approvals/${waiting.get(run)}`, { decision: "approved" })).status);
        expect(await user.until(run, ["completed", "failed", "cancelled"])).toMatchObject({ status: "completed" });
      });
      expect(outside.calls.length - before).toBe(2 * RUNS);
      const builds = new Set<string>();
      await eachOf(runs, async (run) => {
        const { events } = await (await handleOf(run)).fetchHistory();
        for (const event of events ?? []) {
          expect(event.workflowTaskFailedEventAttributes ?? undefined, `${run}: event ${String(event.eventId)}`).toBeUndefined();
          const of = event.workflowTaskCompletedEventAttributes?.deploymentVersion?.buildId;
          if (of) builds.add(of);
        }
      });
      expect([...builds].toSorted()).toEqual(isVersioned ? ["new", "old"] : []);
    } finally {
      await changed.remove();
      await temporal.close();
      await connection.close();
    }
  },
);

async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}
