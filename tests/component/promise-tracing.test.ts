import { fileURLToPath } from "node:url";
import { Client, Connection } from "@temporalio/client";
import { DefaultLogger, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { uuidv7 } from "#core";
import { until } from "#tests/until.ts";
import { bundleWorkflows } from "../../worker/bundle.ts";

const taskQueue = `promises-${uuidv7()}`;
let connection: Connection;
let native: NativeConnection;
let client: Client;
let stop: (() => Promise<void>) | undefined;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger("ERROR") });
  const address = inject("temporalAddress");
  connection = await Connection.connect({ address });
  native = await NativeConnection.connect({ address });
  client = new Client({ connection });
  const workflowBundle = await bundleWorkflows(fileURLToPath(new URL("./promise-tracing-workflow.ts", import.meta.url)));
  const worker = await Worker.create({ connection: native, taskQueue, workflowBundle });
  const running = worker.run();
  stop = async () => {
    worker.shutdown();
    await running;
  };
});
afterAll(async () => {
  await stop?.();
  await native?.close();
  await connection?.close();
});

test("K3: When a workflow waits, then none of its promises has been traced", async () => {
  const handle = await client.workflow.start("waits", { taskQueue, workflowId: uuidv7() });
  expect(await handle.query<string>("__stack_trace")).toBe("");
  await handle.terminate();
});

test("A10: When a promise of a workflow is rejected and nobody looks, then the workflow task of that run fails, and other runs go on", async () => {
  const other = await client.workflow.start("waits", { taskQueue, workflowId: uuidv7() });
  const handle = await client.workflow.start("forgets", { taskQueue, workflowId: uuidv7() });
  let said = "";
  await until("a workflow task fails", async () => {
    const { events } = await handle.fetchHistory();
    const failed = events?.find((event) => event.workflowTaskFailedEventAttributes)?.workflowTaskFailedEventAttributes?.failure;
    said = Buffer.from(failed?.encodedAttributes?.data ?? []).toString();
    return failed !== undefined;
  });
  expect(said).toContain("nobody looks");
  expect(await other.query<string>("__stack_trace")).toBe("");
  await Promise.all([handle.terminate(), other.terminate()]);
});
