/** A worker for the hand-written workflows, in a process of its own, set up as ours is. */
import { fileURLToPath } from "node:url";
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import * as activities from "./activities.ts";

Runtime.install({ logger: new DefaultLogger("ERROR") });
const [address = "", namespace = "", taskQueue = ""] = process.argv.slice(2);
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  connection,
  namespace,
  taskQueue,
  workflowBundle: await bundleWorkflowCode({ workflowsPath: fileURLToPath(new URL("./workflows.ts", import.meta.url)), logger: new DefaultLogger("ERROR") }),
  activities,
  maxHeartbeatThrottleInterval: "500ms",
  defaultHeartbeatThrottleInterval: "500ms",
});
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
await worker.run();
await connection.close();
