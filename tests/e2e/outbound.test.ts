import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { TestClient } from "../support/client.ts";
import { type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";

let perdure: Perdure;
let outside: CountingServer;

beforeAll(async () => {
  outside = await startCountingServer();
  perdure = await startPerdure();
});
afterAll(async () => {
  await perdure?.stop();
  await outside?.close();
});

const graph = (): JsonObject => ({ nodes: [{ id: "call", type: "HttpRequest", data: { inputs: { url: `${outside.url}/x` } } }] });

async function run(user: TestClient): Promise<JsonObject> {
  return user.ended(await user.start(await user.saveWorkflow(graph())));
}

test("F4: When an organization names the hosts its nodes may reach, then its runs reach no other, another's do, and lifting it lets them again", async () => {
  const { user, base } = perdure;
  const stranger = await TestClient.register(base);
  expect((await user.request("PATCH", "/api/v1/organization", { outbound_hosts: ["api.example.com"] })).status).toBe(200);
  const refused = await run(user);
  expect(refused).toMatchObject({ status: "failed", error: { code: "outbound.refused", node_id: "call" } });
  expect(outside.calls).toHaveLength(0);
  expect(await run(stranger)).toMatchObject({ status: "completed" });
  await user.request("PATCH", "/api/v1/organization", { outbound_hosts: ["api.example.com", "127.0.0.1"] });
  // Ten seconds at the latest.
  await expect.poll(async () => (await run(user))["status"], { timeout: 20_000, interval: 1_000 }).toBe("completed");
});
