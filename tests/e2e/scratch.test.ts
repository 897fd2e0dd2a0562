import { expect, inject, test } from "vitest";
import { openDatabase } from "#db";
import { compile } from "#graph";
import { catalogue } from "#nodes";
import { createLogger, readEnv } from "#platform";
import { connectTemporal, createRuns } from "#runs";
import { createTestDatabase } from "../support/database.ts";
import { startWorker } from "../support/processes.ts";
test("scratch", async () => {
  const database = await createTestDatabase();
  const vars = { DATABASE_URL: database.url, TEMPORAL_ADDRESS: inject("temporalAddress"), TEMPORAL_TASK_QUEUE: "scratch", LOG_LEVEL: "debug" };
  const worker = await startWorker(vars);
  const env = readEnv(vars);
  const logger = createLogger("t", "info");
  const db = await openDatabase({ url: env.DATABASE_URL, poolSize: 4 });
  const t = await connectTemporal({ address: env.TEMPORAL_ADDRESS, namespace: "perdure", tls: false });
  const runs = createRuns({ db, client: t.client, env, logger });
  const { membership } = await db.accounts.register({ email: "a@b.c", passwordHash: "x", name: "n", organizationName: "o" });
  const plan = (n: number) => {
    const nodes = [{ id: "start", type: "Start" }, ...Array.from({ length: n }, (_x, i) => ({ id: `s${i}`, type: "Set", data: { inputs: { values: { i } } } })), { id: "end", type: "End" }];
    const c = compile({ nodes, edges: nodes.slice(1).map((x, i) => ({ source: nodes[i]?.id, target: x.id })) }, catalogue);
    if (!c.ok) throw new Error(JSON.stringify(c.problems));
    return c.plan;
  };
  for (const n of [10, 10, 10, 10, 10, 10, 10, 1000, 1000, 1000, 1000, 10, 10]) {
    const t0 = performance.now();
    const { run } = await runs.start(membership.tenantId, { workflowId: null, workflowName: "w", version: null, plan: plan(n), graph: {}, inputs: {}, variables: {}, entries: ["start"], trigger: "api", createdBy: null });
    const t1 = performance.now();
    const end = await runs.waitForEnd(membership.tenantId, run.id, 20000);
    console.log(n, end.status, JSON.stringify(end.outputs), (t1 - t0).toFixed(1), (performance.now() - t1).toFixed(1));
    expect(end.status).toBe("completed");
  }
  console.log(worker.logs().slice(-3000));
  await worker.stop();
});
