import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
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

async function call(method: string, path: string, body?: unknown, token?: string): Promise<{ status: number; body: JsonObject }> {
  const response = await fetch(new URL(path, perdure.base), {
    method,
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as JsonObject };
}

test("D1 D2 D4 D8 A1 A18: When a KAI-Fusion client does its documented session, then every answer is as documented", async () => {
  const account = { email: "user@example.com", password: "secure_password" };
  expect((await call("POST", "/api/auth/register", account)).status).toBe(201);
  const login = await call("POST", "/api/auth/login", account);
  expect(login.status).toBe(200);
  expect(login.body).toMatchObject({ token_type: "bearer", expires_in: 1800, access_token: expect.stringMatching(/^ey/), refresh_token: expect.any(String) });
  const token = login.body["access_token"] as string;

  const documented = fixture("documented-workflow.json");
  const created = await call("POST", "/api/workflows/", documented, token);
  expect(created.status).toBe(201);
  expect(created.body).toMatchObject({ name: documented["name"], description: documented["description"], flow_data: documented["flow_data"] });
  const id = created.body["id"] as string;

  const inputs = { message: "Analyze this business proposal and provide recommendations" };
  const executed = await call("POST", `/api/workflows/${id}/execute`, { inputs }, token);
  expect(executed.status).toBe(201);
  expect(executed.body).toMatchObject({ workflow_id: id, inputs, execution_id: expect.any(String), status: expect.stringMatching(/queued|running|completed/) });
  expect(executed.body["id"]).toBe(executed.body["execution_id"]);

  let run = executed.body;
  for (let tries = 0; tries < 200 && run["status"] !== "completed"; tries++) {
    const got = await call("GET", `/api/executions/${run["id"]}`, undefined, token);
    expect(got.status).toBe(200);
    run = got.body;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(run).toMatchObject({ status: "completed", outputs: { text: expect.stringContaining(inputs.message), finish_reason: "stop" } });
  expect(String((run["outputs"] as JsonObject)["text"])).toContain("mock");
});

test("A1 A2 A6 C1 B6: When the documented graph with two triggers is saved, then it has no problem and runs from Start with its token in the header", async () => {
  const documented = fixture("documented-two-triggers.json");
  const nodes = (documented["nodes"] as JsonObject[]).map((node) => {
    if (node["id"] !== "http_client_1") return node;
    const data = node["data"] as JsonObject;
    return { ...node, data: { ...data, inputs: { ...(data["inputs"] as JsonObject), url: `${outside.url}/results` } } };
  });
  const { user } = perdure;
  const saved = await user.post("/api/workflows/", { name: "Documented", flow_data: { ...documented, nodes } });
  expect(saved.status).toBe(201);
  expect(saved.body["problems"] ?? []).toEqual([]);
  expect(saved.body["warnings"] ?? []).toEqual([]);
  const run = await user.start(saved.body["id"] as string, { message: "What do the numbers say?", api_token: "token-4711" });
  const ended = await user.ended(run);
  expect(ended["status"]).toBe("completed");
  expect(await user.nodeStatuses(run)).toEqual({
    webhook_trigger_1: "skipped",
    timer_1: "skipped",
    start_1: "completed",
    openai_1: "completed",
    http_client_1: "completed",
    end_1: "completed",
  });
  const [sent] = outside.calls;
  expect(outside.calls).toHaveLength(1);
  expect(sent).toMatchObject({ method: "POST", path: "/results", headers: { authorization: "Bearer token-4711", "content-type": "application/json" } });
  expect(JSON.parse(sent?.body ?? "null")).toMatchObject({ text: expect.stringContaining("What do the numbers say?") });
});

/** The documented examples, as data. */
function fixture(name: string): JsonObject {
  return JSON.parse(readFileSync(new URL(`../fixtures/${name}`, import.meta.url), "utf8")) as JsonObject;
}
