import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { type FreezingProxy, startFreezingProxy } from "../support/freezing-proxy.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";

let perdure: Perdure;
let proxy: FreezingProxy;

beforeAll(async () => {
  perdure = await startPerdure();
  proxy = await startFreezingProxy(perdure.temporalAddress);
});
afterAll(async () => {
  await perdure?.stop();
  await proxy?.close();
});

test("C2: When Temporal does not answer and the api that took the call is killed, then the call that was answered has its run, and one that was not has it when it comes again", async () => {
  const { user } = perdure;
  const nodes = [
    { id: "hook", type: "WebhookTrigger", data: { inputs: { timeout: "1s" } } },
    { id: "end", type: "End" },
  ];
  const workflowId = await user.saveWorkflow({ nodes, edges: [{ source: "hook", target: "end" }] });
  const [hook = {}] = (await user.get<JsonObject[]>(`/api/v1/webhooks?workflow_id=${workflowId}`)).body;
  const cutOff = await perdure.startApi({ TEMPORAL_ADDRESS: proxy.address, PORT: "0" });
  const call = async (base: string, key: string) => {
    const headers = { authorization: `Bearer ${String(hook["security_token"])}`, "content-type": "application/json", "idempotency-key": key };
    const response = await fetch(new URL(hook["endpoint_path"] as string, base), { method: "POST", headers, body: JSON.stringify({ key }) });
    return { status: response.status, body: (await response.json()) as JsonObject };
  };
  expect((await call(cutOff.url as string, "before")).status).toBe(200);

  proxy.freeze();
  const answered = await call(cutOff.url as string, "answered");
  expect(answered.status).toBe(202);
  const unanswered = call(cutOff.url as string, "unanswered").catch(() => undefined);
  const runs = async () => (await user.get<JsonObject[]>(`/api/v1/workflows/${workflowId}/executions`)).body;
  const deadline = Date.now() + 10_000;
  while ((await runs()).length < 3 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  cutOff.kill9();
  await unanswered;

  const again = await call(perdure.base, "unanswered");
  expect([200, 202]).toContain(again.status);
  for (const id of [answered.body["execution_id"], again.body["execution_id"]]) expect((await user.ended(id as string, 60_000))["status"]).toBe("completed");
  expect(
    (await runs())
      .map((run) => (run["inputs"] as JsonObject)["body"])
      .map((body) => (body as JsonObject)["key"])
      .toSorted(),
  ).toEqual(["answered", "before", "unanswered"]);
});
