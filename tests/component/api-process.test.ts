import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { createParser } from "eventsource-parser";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { JsonObject } from "#core";
import { openDatabase } from "#db";
import { TestClient } from "#tests/client.ts";
import { type TestDatabase, createTestDatabase } from "#tests/database.ts";
import { testPayloadKeys } from "#tests/payloads.ts";
import { type RunningProcess, startApi } from "#tests/processes.ts";

const GRAPH = {
  nodes: [
    { id: "start", type: "Start" },
    { id: "end", type: "End" },
  ],
  edges: [{ source: "start", target: "end" }],
};

let database: TestDatabase;
let env: Record<string, string>;
const started: RunningProcess[] = [];

async function start(more: Record<string, string> = {}): Promise<RunningProcess & { url: string }> {
  const running = await startApi({ ...env, ...more });
  started.push(running);
  return running as RunningProcess & { url: string };
}

beforeAll(async () => {
  database = await createTestDatabase();
  env = {
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: inject("temporalAddress"),
    TEMPORAL_TASK_QUEUE: `test-${randomBytes(6).toString("hex")}`,
    QDRANT_URL: inject("qdrantUrl"),
    JWT_SECRET_KEY: randomBytes(32).toString("hex"),
    PAYLOAD_KEYS: testPayloadKeys(),
    PORT: "0",
    SHUTDOWN_GRACE_MS: "5000",
  };
});

afterAll(async () => {
  await Promise.all(started.map((each) => each.stop()));
  await database?.drop();
});

describe("the api process", () => {
  test("K1: When it has started, then it is ready, sees each dependency, and shows its description", async () => {
    const { url } = await start();
    const client = new TestClient(url);
    expect((await client.get("/health/ready")).body).toMatchObject({ status: "ready" });
    // No worker is there that could run anything.
    expect((await client.get("/health/detailed")).body).toMatchObject({
      status: "degraded",
      workers: { polling: 0 },
      dependencies: { postgres: { status: "up" }, temporal: { status: "up" }, qdrant: { status: "up" } },
    });
    expect((await client.get<{ openapi: string }>("/openapi.json")).body.openapi).toBe("3.1.0");
    expect((await fetch(new URL("/docs/", url))).status).toBe(200);
  });

  test("K1: When Qdrant is not there, then it serves, degraded", async () => {
    const { url } = await start({ QDRANT_URL: "http://127.0.0.1:1" });
    const client = new TestClient(url);
    expect((await client.get("/health/ready")).status).toBe(200);
    expect((await client.get("/health/detailed")).body).toMatchObject({ status: "degraded", dependencies: { qdrant: { status: "down" } } });
  });

  test("B12: When the registry is read, then the catalogue is there with its categories, and names and aliases find a type", async () => {
    const user = await TestClient.register((await start()).url);
    const nodes = (await user.get<JsonObject[]>("/api/v1/nodes")).body;
    expect(nodes.map((node) => node["name"])).toEqual(expect.arrayContaining(["Start", "End", "HttpRequest", "OpenAINode", "HumanApproval"]));
    const categories = (await user.get<JsonObject[]>("/api/v1/nodes/categories")).body;
    expect(categories.reduce((sum, category) => sum + Number(category["count"]), 0)).toBe(nodes.length);
    expect((await user.get("/api/v1/nodes/http_request")).body).toMatchObject({ name: "HttpRequest", node_type: "processor" });
  });

  test("F4: When a body is too large, then it is 413, with and without a length, and the process goes on", async () => {
    const { url } = await start({ REQUEST_MAX_BODY_BYTES: "2000" });
    const user = await TestClient.register(url);
    const large = { name: "x", description: "y".repeat(5_000) };
    expect((await user.post("/api/v1/workflows", large)).status).toBe(413);
    const chunked = await fetch(new URL("/api/v1/auth/login", url), {
      method: "POST",
      body: new Blob([JSON.stringify(large)]).stream(),
      duplex: "half",
    });
    expect(chunked.status).toBe(413);
    expect((await user.get("/api/v1/auth/me")).status).toBe(200);
  });

  test("K5: When it is told to stop, then streams end, waits are answered, and it exits cleanly", async () => {
    const api = await start();
    const user = await TestClient.register(api.url);
    const runId = await user.start(await user.saveWorkflow(GRAPH));
    const heard: string[] = [];
    const stream = user.stream(runId, 0, ({ kind }) => void heard.push(kind));
    const waiting = user.get(`/api/v1/executions/${runId}/result?wait=60`);
    await expect.poll(() => heard).toContain("run_queued");
    await new Promise((resolve) => setTimeout(resolve, 200));
    const startedAt = Date.now();
    const stopped = api.stop();
    expect(await stream).toBe("ended");
    expect((await waiting).status).toBe(202);
    await stopped;
    expect(await api.exited).toEqual({ code: 0, signal: null });
    expect(Date.now() - startedAt).toBeLessThan(3_000);
  });

  test("G1: When a client does not read its stream for a while, then others are served meanwhile, and it misses nothing", async () => {
    const { url } = await start();
    const email = `user-${randomBytes(6).toString("hex")}@example.com`;
    const { body } = await new TestClient(url).post("/api/v1/auth/register", { email, password: "secure_password" });
    const user = new TestClient(url, String(body["access_token"]));
    const runId = await user.start(await user.saveWorkflow(GRAPH));
    const total = 3_000;
    const tenant = String((body["organization"] as JsonObject)["id"]);
    const db = await openDatabase({ url: database.url, poolSize: 2 });
    for (let from = 0; from < total; from += 500) {
      await db.log.append(
        Array.from({ length: 500 }, (_, index) => ({
          tenantId: tenant,
          event: {
            run_id: runId,
            key: `start::0:token_delta:${from + index}`,
            kind: "token_delta",
            at: new Date().toISOString(),
            node_id: "start",
            data: { text: "x".repeat(4_000) },
          },
        })),
      );
    }
    await db.close();

    const { hostname, port } = new URL(url);
    const ids: number[] = [];
    const parser = createParser({ onEvent: ({ id }) => ids.push(Number(id)) });
    const deaf = connect(Number(port), hostname);
    deaf.pause();
    deaf.write(`GET /api/v1/executions/${runId}/stream HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer ${String(body["access_token"])}\r\n\r\n`);
    const answers = await Promise.all(Array.from({ length: 20 }, () => user.get(`/api/v1/executions/${runId}`)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await user.post(`/api/v1/executions/${runId}/terminate`)).status).toBe(200);

    let head = "";
    const ended = new Promise((resolve) => deaf.once("close", resolve));
    deaf.on("data", (chunk) => {
      const text = chunk.toString("latin1");
      if (head.endsWith("\r\n\r\n")) return parser.feed(text);
      const border = (head + text).indexOf("\r\n\r\n");
      if (border < 0) return void (head += text);
      parser.feed((head + text).slice(border + 4));
      head = "\r\n\r\n";
    });
    deaf.resume();
    await ended;
    expect(ids.length).toBeGreaterThan(total);
    expect(ids).toEqual(Array.from({ length: ids.length }, (_, index) => index + 1));
  });

  test("D7: When a request is no HTTP or no path, then it is refused and the process goes on", async () => {
    const { url } = await start();
    const { hostname, port } = new URL(url);
    const raw = (text: string): Promise<string> =>
      new Promise((resolve) => {
        let answer = "";
        const socket = connect(Number(port), hostname, () => socket.write(text));
        socket.on("data", (chunk) => (answer += chunk.toString()));
        socket.on("close", () => resolve(answer.split("\r\n")[0] ?? ""));
        socket.on("error", () => resolve(answer.split("\r\n")[0] ?? ""));
        setTimeout(() => socket.destroy(), 1_000);
      });
    expect(await raw("NONSENSE\r\n\r\n")).toContain("400");
    expect(await raw("GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).toContain("404");
    expect(await raw("GET /docs/..%2f..%2fpackage.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).toContain("404");
    expect(await raw("GET /api/v1/workflows/%ff%fe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).toMatch(/40[14]/);
    expect((await fetch(new URL("/health", url))).status).toBe(200);
  });

  test("K5: When a setting is missing or wrong, then it says so in a sentence and ends", async () => {
    await expect(startApi({ ...env, JWT_SECRET_KEY: "" })).rejects.toThrow("JWT_SECRET_KEY is not set");
    await expect(startApi({ ...env, PORT: "http" })).rejects.toThrow("PORT");
    const { url } = await start();
    await expect(startApi({ ...env, PORT: new URL(url).port })).rejects.toThrow("in use");
  });
});
