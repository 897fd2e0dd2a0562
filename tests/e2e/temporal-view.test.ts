import { Client, Connection } from "@temporalio/client";
import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startCountingServer } from "../support/counting-server.ts";
import { workflowIdOf } from "../support/record-history.ts";
import type { JsonObject } from "#core";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { opened, openTemporal, type OpenTemporal, valueOf } from "../support/sealed.ts";

let perdure: Perdure;
let connection: Connection;
let temporal: OpenTemporal;

beforeAll(async () => {
  perdure = await startPerdure();
  connection = await Connection.connect({ address: perdure.temporalAddress });
  temporal = await openTemporal(perdure);
});
afterAll(async () => {
  await connection?.close();
  await temporal?.close();
  await perdure?.stop();
});

test("K3: When a run is read back from Temporal, then it shows the workflow's name, its nodes' names and types, and where it stands", async () => {
  const { user } = perdure;
  const outside = await startCountingServer();
  const workflow = await user.saveWorkflow(
    {
      nodes: [
        { id: "start", type: "Start" },
        { id: "fetch", type: "HttpRequest", data: { name: "Fetch the order", inputs: { url: outside.url } } },
        { id: "ask", type: "HumanApproval", data: { name: "Ask the boss", inputs: { prompt: "OK?", timeout: "1 day" } } },
        { id: "end", type: "End" },
      ],
      edges: [
        { source: "start", target: "fetch" },
        { source: "fetch", target: "ask" },
        { source: "ask", target: "end", sourceHandle: "approved" },
      ],
    },
    "Order approval",
  );
  const run = await user.start(workflow);
  const waiting = await user.until(run, ["waiting"]);
  const workflowId = workflowIdOf(waiting);

  const handle = temporal.client.workflow.getHandle(workflowId);
  const description = await handle.describe();
  expect(await description.staticSummary()).toBe("Order approval v1");
  expect(description.searchAttributes["PerdureWorkflow"]).toEqual([workflow]);
  expect(description.searchAttributes["PerdureVersion"]).toEqual([1]);

  const history = await opened(JSON.parse(historyToJSON(await handle.fetchHistory())) as JsonObject, user);
  const summaries = (history["events"] as { userMetadata?: { summary?: { data: string } } }[]).flatMap(({ userMetadata }) =>
    userMetadata?.summary ? [valueOf(userMetadata.summary)] : [],
  );
  expect(summaries).toEqual(expect.arrayContaining(["Order approval v1", "Fetch the order (HttpRequest)", "Ask the boss (HumanApproval)"]));

  const metadata = await handle.query<{ currentDetails?: string }>("__temporal_workflow_metadata");
  expect(metadata.currentDetails).toContain("waiting");
  expect(metadata.currentDetails).toContain("Waiting: Ask the boss (HumanApproval)");
  expect(metadata.currentDetails).toContain("2 of 4 nodes settled");
  await user.post(`/api/v1/executions/${run}/cancel`);
  expect((await user.ended(run))["status"]).toBe("cancelled");
  expect((await handle.describe()).status.name).toBe("CANCELLED");
  await outside.close();
});

test("A3: When a run has only inline nodes, then it costs Temporal no activity at all", async () => {
  const { user, namespace } = perdure;
  const inline = Array.from({ length: 10 }, (_nothing, n) => ({ id: `set_${n}`, type: "Set", data: { inputs: { values: { n } } } }));
  const nodes = [{ id: "start", type: "Start" }, ...inline, { id: "end", type: "End" }];
  const edges = nodes.slice(1).map(({ id }, at) => ({ source: nodes[at]?.id, target: id }));
  const run = await user.start(await user.saveWorkflow({ nodes, edges }));
  const ended = await user.ended(run);
  const { events } = await new Client({ connection, namespace }).workflow.getHandle(workflowIdOf(ended)).fetchHistory();
  // Started, task scheduled, task started, task completed, completed.
  expect(events).toHaveLength(5);
});
