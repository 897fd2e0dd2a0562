import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import proto from "@temporalio/proto";
import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";
import postgres from "postgres";
import { expect, test } from "vitest";
import { migrate } from "#db";
import type { JsonObject } from "#core";
import { silentProgress, startPostgres, startTemporal, temporalBinary } from "../../scripts/infra/index.ts";
import type { TestClient } from "../support/client.ts";
import { startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { workflowIdOf } from "../support/record-history.ts";
import { opened, openTemporal, type OpenTemporal } from "../support/sealed.ts";
import { createTemporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const HISTORY_MAX_BYTES = 256 * 1024;
const { HistoryEvent } = proto.temporal.api.history.v1;

/** Bytes of each event of a run's history, as Temporal stores it. */
async function eventSizes({ client }: OpenTemporal, run: JsonObject): Promise<number[]> {
  const { events } = await client.workflow.getHandle(workflowIdOf(run)).fetchHistory();
  return (events ?? []).map((event) => HistoryEvent.encode(event).finish().length);
}

async function answerAll(user: TestClient, runs: readonly string[]): Promise<void> {
  const open = new Set(runs);
  await until(
    "the approvals",
    async () => {
      const { body } = await user.get<JsonObject[]>("/api/v1/approvals?status=pending&limit=500");
      for (const approval of body) {
        if (!open.has(approval["execution_id"] as string)) continue;
        const { status } = await user.post(`/api/v1/approvals/${String(approval["id"])}`, { decision: "approved" });
        if (status < 300) open.delete(approval["execution_id"] as string);
      }
      return open.size === 0;
    },
    60_000,
  );
}

test("A10: When a node puts out 50 MB, then later nodes have it, also in a worker that did not make it, and no event of the history has 256 KiB", async () => {
  const text = randomBytes(18_800_000).toString("base64");
  const body = JSON.stringify({ head: text, tail: text.slice(0, 25_000_000), mark: "the end" });
  expect(body.length).toBeGreaterThan(49_900_000);
  const outside = await startCountingServer({
    reply: ({ path }, response) => void response.setHeader("content-type", "application/json").end(path === "/large" ? body : "{}"),
  });
  const perdure = await startPerdure({
    OUTBOUND_MAX_RESPONSE_BYTES: String(64 * 1024 * 1024),
    NODE_OUTPUT_MAX_BYTES: String(52 * 1024 * 1024),
    NODE_HEARTBEAT_TIMEOUT_MS: "30000",
  });
  const { user } = perdure;
  const temporal = await openTemporal(perdure);
  const run = await user.start(
    await user.saveWorkflow({
      nodes: [
        { id: "start", type: "Start" },
        { id: "large", type: "HttpRequest", data: { inputs: { url: `${outside.url}/large` } } },
        { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Go on?" } } },
        {
          id: "told",
          type: "HttpRequest",
          data: { inputs: { url: `${outside.url}/told`, method: "POST", body: { mark: "{{large.body.mark}}", head: "{{large.body.head}}" } } },
        },
        { id: "end", type: "End", data: { inputs: { value: "{{large.body.mark}}" } } },
      ],
      edges: [
        { source: "start", target: "large" },
        { source: "large", target: "ask" },
        { source: "ask", target: "told", sourceHandle: "approved" },
        { source: "told", target: "end" },
      ],
    }),
  );
  await user.until(run, ["waiting"], 120_000);
  perdure.worker.kill9();
  await perdure.startWorker();
  await answerAll(user, [run]);
  const ended = await user.ended(run, 120_000);
  expect(ended).toMatchObject({ status: "completed", outputs: "the end" });
  expect(JSON.parse(outside.calls.find(({ path }) => path === "/told")?.body ?? "{}")).toEqual({ mark: "the end", head: text });
  expect(outside.calls.filter(({ path }) => path === "/large")).toHaveLength(1);

  const sizes = await eventSizes(temporal, ended);
  expect(sizes.length).toBeGreaterThan(10);
  expect(Math.max(...sizes)).toBeLessThan(HISTORY_MAX_BYTES);
  const sql = postgres(perdure.databaseUrl, { max: 1 });
  const [blobs] = await sql<{ count: number; bytes: number }[]>`select count(*)::int as count, sum(octet_length(bytes))::int as bytes from payload_blobs`;
  await sql.end();
  expect(blobs?.bytes).toBeGreaterThan(30_000_000);
  await temporal.close();
  await perdure.stop();
  await outside.close();
}, 600_000);

const CANARY = "canary-Vq3-plain-text";

test("F2: When inputs, outputs, variables, answers, names and failures of runs hold a text, then it is nowhere in Temporal's database", async () => {
  const { path: folder, remove } = await createTemporaryFolder();
  const database = await startPostgres({ folder: join(folder, "postgres"), logFile: join(folder, "postgres.log") });
  const server = await startTemporal({
    binary: await temporalBinary(silentProgress.step("")),
    folder: join(folder, "temporal"),
    logFile: join(folder, "temporal.log"),
    codecEndpoint: "http://127.0.0.1:8000/api/v1/codec",
  });
  await migrate(database.url);
  const perdure = await startPerdure({}, { databaseUrl: database.url, temporalAddress: server.url });
  const { user } = perdure;
  const temporal = await openTemporal(perdure);
  const outside = await startCountingServer({
    reply: ({ path }, response) =>
      void response
        .setHeader("content-type", "application/json")
        .writeHead(path.startsWith("/refuse") ? 500 : 200)
        .end(JSON.stringify({ said: CANARY })),
  });
  const workflow = await user.saveWorkflow(
    {
      nodes: [
        { id: "start", type: "Start" },
        { id: "call", type: "HttpRequest", data: { name: `Call ${CANARY}`, inputs: { url: `${outside.url}/call`, method: "POST", body: "{{inputs.text}}" } } },
        { id: "ask", type: "HumanApproval", data: { inputs: { prompt: `About ${CANARY}?`, data: "{{call.body}}" } } },
        { id: "check", type: "Transform", data: { inputs: { expression: `$error("${CANARY} is wrong")` }, settings: { on_error: "continue" } } },
        { id: "refuse", type: "HttpRequest", data: { inputs: { url: `${outside.url}/refuse?${CANARY}` }, settings: { retry: { maximum_attempts: 1 } } } },
      ],
      edges: [
        { source: "start", target: "call" },
        { source: "call", target: "ask" },
        { source: "ask", target: "check", sourceHandle: "approved" },
        { source: "check", target: "refuse" },
      ],
    },
    `Workflow ${CANARY}`,
  );
  const run = await user.start(workflow, { text: CANARY });
  await user.until(run, ["waiting"]);
  expect((await user.request("PUT", `/api/v1/executions/${run}/variables/word`, { value: CANARY })).status).toBe(200);
  await answerAll(user, [run]);
  const ended = await user.ended(run);
  expect(ended["status"]).toBe("failed");

  const history = JSON.parse(historyToJSON(await temporal.client.workflow.getHandle(workflowIdOf(ended)).fetchHistory())) as JsonObject;
  const readable = JSON.stringify(await opened(history, user)).replaceAll(/"data": ?"([^"]*)"/g, (_all, data: string) =>
    Buffer.from(data, "base64").toString(),
  );
  expect(readable.split(CANARY).length, "what is sealed can be opened by its organization").toBeGreaterThan(8);
  expect(JSON.stringify(history)).toContain("Encoded failure");

  await temporal.close();
  await perdure.stop();
  await server.stop();
  await database.stop();
  const files = (await Promise.all((await readdir(join(folder, "temporal"))).map((file) => readFile(join(folder, "temporal", file), "latin1")))).join("");
  expect(files).toContain("binary/sealed");
  for (const form of [CANARY, Buffer.from(CANARY).toString("base64").slice(0, -2), encodeURIComponent(CANARY)]) expect(files.includes(form), form).toBe(false);
  await outside.close();
  await remove();
});

test("K3 F1: When Temporal's Web UI asks to open payloads, then only with a sign-in of their own organization", async () => {
  const perdure: Perdure = await startPerdure({ TEMPORAL_UI_URL: "http://127.0.0.1:18233" });
  const { user, base } = perdure;
  const temporal = await openTemporal(perdure);
  const workflow = await user.saveWorkflow({ nodes: [{ id: "start", type: "Start" }], edges: [] }, "Shown in the Web UI");
  const run = await user.ended(await user.start(workflow, { mine: "and nobody else's" }));
  const history = JSON.parse(historyToJSON(await temporal.client.workflow.getHandle(workflowIdOf(run)).fetchHistory())) as {
    events: { workflowExecutionStartedEventAttributes?: { input: { payloads: unknown[] } } }[];
  };
  const { payloads } = history.events[0]?.workflowExecutionStartedEventAttributes?.input ?? { payloads: [] };
  expect(payloads).toHaveLength(2);
  const decode = (headers: Record<string, string>) =>
    fetch(`${base}/api/v1/codec/decode`, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify({ payloads }) });
  const ui = { origin: "http://127.0.0.1:18233", "x-namespace": "perdure" };

  const email = `ui-${randomBytes(4).toString("hex")}@example.com`;
  const password = "correct horse battery";
  await user.post("/api/v1/auth/register", { email, password });
  const login = await fetch(`${base}/api/v1/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email, password }),
  });
  const setCookie = login.headers.get("set-cookie") ?? "";
  expect(setCookie).toMatch(/^perdure_codec=[^;]+; Path=\/api\/v1\/codec; Max-Age=1800; HttpOnly; SameSite=Strict$/);
  const foreign = setCookie.split(";")[0] as string;
  const own = foreign.replace(/=.*/, `=${user.accessToken}`);

  const preflight = await fetch(`${base}/api/v1/codec/decode`, {
    method: "OPTIONS",
    headers: { origin: ui.origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type,x-namespace" },
  });
  expect([preflight.status, preflight.headers.get("access-control-allow-origin"), preflight.headers.get("access-control-allow-credentials")]).toEqual([
    204,
    ui.origin,
    "true",
  ]);
  expect(preflight.headers.get("access-control-allow-headers")).toContain("x-namespace");

  expect((await decode(ui)).status, "no sign-in").toBe(401);
  const refused = await decode({ ...ui, cookie: foreign });
  expect([refused.status, await refused.text()]).toEqual([403, expect.not.stringContaining("mine")]);
  const shown = await decode({ ...ui, cookie: own });
  expect([shown.status, shown.headers.get("access-control-allow-origin")]).toEqual([200, ui.origin]);
  const [input] = ((await shown.json()) as { payloads: { data: string }[] }).payloads;
  expect(JSON.parse(Buffer.from(input?.data ?? "", "base64").toString())).toMatchObject({ inputs: { mine: "and nobody else's" } });

  expect((await decode({ ...ui, origin: "http://evil.example", cookie: own })).status, "the cookie of another page").toBe(401);
  const elsewhere = await decode({ origin: "http://evil.example", authorization: `Bearer ${user.accessToken}` });
  expect([elsewhere.status, elsewhere.headers.get("access-control-allow-origin")]).toEqual([200, null]);
  expect((await decode({ ...ui, "x-namespace": "default", cookie: own })).status).toBe(422);
  const rotate = await fetch(`${base}/api/v1/codec/keys/rotate`, { method: "POST", headers: { cookie: own, origin: ui.origin } });
  expect(rotate.status, "the cookie is for reading").toBe(401);
  await temporal.close();
  await perdure.stop();
});

test("F3: When the key is rotated while 50 runs live, then all finish, and what they do from then on is sealed with the new key", async () => {
  const perdure = await startPerdure({ PAYLOAD_KEY_REFRESH_MS: "100" });
  const { user } = perdure;
  const temporal = await openTemporal(perdure);
  const outside = await startCountingServer();
  const ballast = randomBytes(60_000).toString("base64");
  const workflow = await user.saveWorkflow({
    nodes: [
      { id: "start", type: "Start" },
      { id: "before", type: "HttpRequest", data: { inputs: { url: `${outside.url}/before`, method: "POST", body: { n: "{{inputs.n}}" } } } },
      { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Number {{inputs.n}}?" } } },
      {
        id: "after",
        type: "HttpRequest",
        data: { inputs: { url: `${outside.url}/after`, method: "POST", body: { n: "{{inputs.n}}", ballast: "{{inputs.ballast}}" } } },
      },
      { id: "end", type: "End", data: { inputs: { value: "{{inputs.n}}" } } },
    ],
    edges: [
      { source: "start", target: "before" },
      { source: "before", target: "ask" },
      { source: "ask", target: "after", sourceHandle: "approved" },
      { source: "after", target: "end" },
    ],
  });
  const runs: string[] = [];
  for (let n = 0; n < 50; n++) runs.push(await user.start(workflow, { n, ballast }));
  await until("half of the calls", () => outside.calls.length >= 25, 60_000);
  expect(await user.post("/api/v1/codec/keys/rotate")).toMatchObject({ status: 201, body: { version: 2 } });
  await user.until(runs.at(-1) as string, ["waiting"], 60_000);
  // Workers that never knew the first key read it from the database.
  await perdure.worker.stop();
  await perdure.startWorker();
  await answerAll(user, runs);
  for (const [n, run] of runs.entries()) expect(await user.ended(run, 60_000)).toMatchObject({ status: "completed", outputs: n });
  expect(outside.calls).toHaveLength(100);
  expect(outside.calls.filter(({ path, body }) => path === "/after" && (JSON.parse(body) as { ballast: string }).ballast === ballast)).toHaveLength(50);

  const keysOf = async (run: string) => {
    const { events } = await temporal.client.workflow.getHandle(workflowIdOf(await user.run(run))).fetchHistory();
    return new Set(
      (events ?? []).flatMap((event) => event.activityTaskCompletedEventAttributes?.result?.payloads ?? []).map(({ metadata }) => String(metadata?.["key"])),
    );
  };
  expect(await keysOf(runs[0] as string)).toEqual(new Set(["1", "2"]));
  await temporal.close();
  await outside.close();
  await perdure.stop();
});
