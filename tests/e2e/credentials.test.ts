import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { expect, test } from "vitest";
import type { JsonObject } from "#core";
import { migrate } from "#db";
import { silentProgress, startPostgres, startTemporal, temporalBinary } from "../../scripts/infra/index.ts";
import { TestClient } from "../support/client.ts";
import { startCountingServer } from "../support/counting-server.ts";
import { startFakeOpenAi } from "../support/fake-openai.ts";
import { startPerdure } from "../support/perdure.ts";
import { createTemporaryFolder } from "../support/temporary-folder.ts";

const CANARY = "canary-Zq7/81+x&secret";
const BASIC = Buffer.from(`robot:${CANARY}`).toString("base64");
const API_KEY = "sk-canary-Zq7/81+x&key";
const FROM_VAULT = "vault-canary-Zq7/81";
const OPERATORS_KEY = "sk-operators-own-key";

test("F2 F6: When credentials are used by id, then they reach whom they are for and are nowhere else; gone ones fail the node for good", async () => {
  const { path: folder, remove } = await createTemporaryFolder();
  const database = await startPostgres({ folder: join(folder, "postgres"), logFile: join(folder, "postgres.log") });
  const temporal = await startTemporal({
    binary: await temporalBinary(silentProgress.step("")),
    folder: join(folder, "temporal"),
    logFile: join(folder, "temporal.log"),
  });
  await migrate(database.url);
  const model = await startFakeOpenAi();
  const vault = await startCountingServer({
    reply({ headers, path }, response) {
      const isAllowed = headers["x-vault-token"] === "hvs.test" && path === "/v1/secret/data/perdure";
      response.writeHead(isAllowed ? 200 : 403).end(JSON.stringify(isAllowed ? { data: { data: { FROM_VAULT }, metadata: {} } } : { errors: [] }));
    },
  });
  const outside = await startCountingServer({
    reply({ headers, path }, response) {
      const told = String(headers["authorization"] ?? headers["x-api-key"]);
      if (path === "/me") return void response.writeHead(told === `Basic ${BASIC}` ? 200 : 401).end(told);
      if (path === "/refuse") return void response.writeHead(500).end(`no entry for ${told}`);
      // A careless service: what it was given comes back, also encoded.
      response.setHeader("content-type", "application/json").setHeader("x-echo", told);
      const decoded = told.startsWith("Basic ") ? Buffer.from(told.slice(6), "base64").toString() : told;
      response.end(JSON.stringify({ echo: told, base64: Buffer.from(told).toString("base64"), url: encodeURIComponent(told), decoded }));
    },
  });
  const perdure = await startPerdure(
    {
      LOG_LEVEL: "debug",
      OPENAI_API_KEY: OPERATORS_KEY,
      OPENAI_BASE_URL: model.url,
      SECRET_STORES: `vault:${vault.url}/secret/perdure,env:`,
      VAULT_TOKEN: "hvs.test",
    },
    { databaseUrl: database.url, temporalAddress: temporal.url },
  );
  const { user } = perdure;
  const create = async (body: JsonObject, by = user) => String((await by.post("/api/v1/credentials", body)).body["id"]);
  const basic = await create({ name: "Robot", type: "http_basic", data: { username: "robot", password: CANARY, test_url: `${outside.url}/me` } });
  const key = await create({ name: "Models", service_type: "openai", data: { api_key: API_KEY, base_url: model.url } });
  expect((await user.post(`/api/v1/credentials/${basic}/test`)).body).toMatchObject({ valid: true });

  const graph = {
    nodes: [
      { id: "start", type: "Start" },
      { id: "call", type: "HttpRequest", data: { inputs: { url: `${outside.url}/echo`, credential: basic } } },
      { id: "ask", type: "OpenAINode", data: { inputs: { prompt: "Hello", credential: key } } },
      { id: "vaulted", type: "HttpRequest", data: { inputs: { url: `${outside.url}/vaulted`, headers: { "X-Api-Key": "{{secrets.FROM_VAULT}}" } } } },
      {
        id: "fail",
        type: "HttpRequest",
        data: {
          inputs: { url: `${outside.url}/refuse`, credential: basic },
          settings: { on_error: "continue", retry: { maximum_attempts: 2, initial_interval: "10ms" } },
        },
      },
      { id: "end", type: "End", data: { inputs: { value: { echo: "{{call.body}}", failed: "{{errors.fail.code}}", said: "{{ask.text}}" } } } },
    ],
    edges: [
      { source: "start", target: "call" },
      { source: "call", target: "ask" },
      { source: "ask", target: "vaulted" },
      { source: "vaulted", target: "fail" },
      { source: "fail", target: "end" },
    ],
  };
  const workflow = await user.saveWorkflow(graph);
  const run = await user.start(workflow);
  const ended = await user.ended(run);
  expect(ended).toMatchObject({ status: "completed", outputs: { failed: "upstream.failed", said: expect.stringContaining("Hello") } });
  expect(outside.calls.find(({ path }) => path === "/echo")?.headers["authorization"]).toBe(`Basic ${BASIC}`);
  expect(outside.calls.find(({ path }) => path === "/vaulted")?.headers["x-api-key"]).toBe(FROM_VAULT);
  expect(model.requests.map(({ headers }) => headers["authorization"])).toEqual([`Bearer ${API_KEY}`]);

  // Another organization: it does not know the credential, and does not spend the operator's key.
  const stranger = await TestClient.register(perdure.base);
  const foreign = await stranger.post("/api/v1/workflows", { name: "Theirs", flow_data: graph });
  expect(JSON.stringify(foreign.body)).toContain("credential.unknown");
  const asks = { nodes: [graph.nodes[0], { id: "ask", type: "OpenAINode", data: { inputs: { prompt: "Hi" } } }], edges: [{ source: "start", target: "ask" }] };
  const theirs = await stranger.ended(await stranger.start(await stranger.saveWorkflow(asks)));
  expect(JSON.stringify(theirs)).toContain("[mock model");
  expect((await user.ended(await user.start(await user.saveWorkflow(asks))))["status"]).toBe("completed");
  expect(model.requests.map(({ headers }) => headers["authorization"])).toEqual([`Bearer ${API_KEY}`, `Bearer ${OPERATORS_KEY}`]);

  const one = `/api/v1/credentials/${basic}`;
  const usage = await user.get(`${one}/usage`);
  expect(usage.body).toMatchObject([{ workflow_id: workflow, versions: [1], is_current: true, open_runs: 0 }]);
  const refused = await user.request("DELETE", one);
  expect([refused.status, refused.body["code"]]).toEqual([409, "resource.conflict"]);

  const shown = [
    (await user.get(`/api/v1/workflows/${workflow}/export`)).body,
    (await user.get("/api/v1/credentials")).body,
    (await user.get(one)).body,
    usage.body,
    refused.body,
    ended,
    (await user.get(`/api/v1/executions/${run}/nodes`)).body,
    (await user.get(`/api/v1/executions/${run}/events?limit=500`)).body,
  ];
  expect(JSON.stringify(shown[0])).toContain(basic);

  expect((await user.request("DELETE", `${one}?force=true`)).status).toBe(204);
  const failed = await user.ended(await user.start(workflow));
  expect(failed).toMatchObject({ status: "failed", error: { code: "credential.missing", node_id: "call", retryable: false } });
  expect(outside.calls.filter(({ path }) => path === "/echo")).toHaveLength(1);

  const logs = perdure.api.logs() + perdure.worker.logs();
  const sql = postgres(database.url, { max: 1 });
  const tables = await sql<
    { name: string }[]
  >`select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`;
  let rows = "";
  for (const { name } of tables) rows += JSON.stringify((await sql.unsafe(`select to_jsonb(t) as row from ${name} t`)) as unknown);
  await sql`checkpoint`;
  await sql.end();
  await perdure.stop();
  await temporal.stop();
  await database.stop();
  const filesOf = async (path: string): Promise<string> => {
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name), "latin1"));
    return (await Promise.all(files)).join("");
  };
  const temporalFiles = await filesOf(join(folder, "temporal"));

  for (const [place, text] of [
    ["answers", JSON.stringify(shown)],
    ["logs", logs],
    ["tables", rows],
    ["the files of PostgreSQL", await filesOf(join(folder, "postgres"))],
    ["the Temporal database", temporalFiles],
  ] as const) {
    expect(text.length, place).toBeGreaterThan(100);
    for (const value of [CANARY, API_KEY, FROM_VAULT, OPERATORS_KEY]) {
      const bytes = Buffer.from(value);
      for (const form of [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value), bytes.toString("base64"), bytes.toString("hex"), BASIC]) {
        expect(text.includes(form), `${form} in ${place}`).toBe(false);
      }
    }
  }
  expect(temporalFiles.includes("binary/sealed"), "the search reads the right files").toBe(true);
  expect(rows.includes(basic), "the search reads the right tables").toBe(true);
  await Promise.all([outside.close(), vault.close(), model.close()]);
  await remove();
});
