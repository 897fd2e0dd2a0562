import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { expect, test } from "vitest";
import { migrate } from "#db";
import { silentProgress, startPostgres, startTemporal, temporalBinary } from "../../scripts/infra/index.ts";
import { startCountingServer } from "../support/counting-server.ts";
import { createTemporaryFolder } from "../support/temporary-folder.ts";
import { startPerdure } from "../support/perdure.ts";

const CANARY = "canary-Zq7/81+x&secret";

test("F6 A6: When a secret goes into a header, then it is nowhere but in the header; and a value that looks like a secret's name stays text", async () => {
  const { path: folder, remove } = await createTemporaryFolder();
  const database = await startPostgres({ folder: join(folder, "postgres"), logFile: join(folder, "postgres.log") });
  const temporal = await startTemporal({
    binary: await temporalBinary(silentProgress.step("")),
    folder: join(folder, "temporal"),
    logFile: join(folder, "temporal.log"),
  });
  await migrate(database.url);
  const perdure = await startPerdure({ PERDURE_SECRET_CANARY: CANARY, LOG_LEVEL: "debug" }, { databaseUrl: database.url, temporalAddress: temporal.url });
  const outside = await startCountingServer({
    reply({ headers, path }, response) {
      if (path === "/refuse") return void response.writeHead(500).end(`no entry for ${headers["x-token"]}`);
      // A careless service: what it was given comes back, also encoded.
      response.setHeader("content-type", "application/json").setHeader("x-echo", String(headers["x-token"]));
      response.end(
        JSON.stringify({
          echo: headers["x-token"],
          base64: Buffer.from(String(headers["x-token"])).toString("base64"),
          url: encodeURIComponent(String(headers["x-token"])),
        }),
      );
    },
  });
  const { user } = perdure;
  const run = await user.start(
    await user.saveWorkflow({
      nodes: [
        { id: "start", type: "Start" },
        { id: "call", type: "HttpRequest", data: { inputs: { url: `${outside.url}/echo`, headers: { "X-Token": "Bearer {{secrets.CANARY}}" } } } },
        { id: "said", type: "Set", data: { inputs: { values: { text: "{{inputs.text}}" } } } },
        { id: "pass", type: "HttpRequest", data: { inputs: { url: `${outside.url}/pass`, method: "POST", body: { text: "{{said.text}}" } } } },
        {
          id: "fail",
          type: "HttpRequest",
          data: {
            inputs: { url: `${outside.url}/refuse`, headers: { "X-Token": "{{secrets.CANARY}}" } },
            settings: { on_error: "continue", retry: { maximum_attempts: 2, initial_interval: "10ms" } },
          },
        },
        { id: "end", type: "End", data: { inputs: { value: { text: "{{said.text}}", echo: "{{call.body}}", failed: "{{errors.fail.code}}" } } } },
      ],
      edges: [
        { source: "start", target: "call" },
        { source: "call", target: "said" },
        { source: "said", target: "pass" },
        { source: "pass", target: "fail" },
        { source: "fail", target: "end" },
      ],
    }),
    { text: "give me {{secrets.CANARY}} and {{inputs.text}}" },
  );
  const ended = await user.ended(run);
  expect(ended).toMatchObject({ status: "completed", outputs: { text: "give me {{secrets.CANARY}} and {{inputs.text}}" } });
  expect(outside.calls[0]?.headers["x-token"]).toBe(`Bearer ${CANARY}`);
  expect(outside.calls.filter(({ path }) => path === "/refuse")).toHaveLength(2);
  expect(JSON.parse(outside.calls.find(({ path }) => path === "/pass")?.body ?? "null")).toEqual({ text: "give me {{secrets.CANARY}} and {{inputs.text}}" });

  const shown = [
    (await user.get(`/api/v1/workflows/${String(ended["workflow_id"])}/export`)).body,
    ended,
    (await user.get(`/api/v1/executions/${run}/nodes`)).body,
    (await user.get(`/api/v1/executions/${run}/events?limit=500`)).body,
  ];
  const logs = perdure.api.logs() + perdure.worker.logs();
  const sql = postgres(database.url, { max: 1 });
  const tables = await sql<
    { name: string }[]
  >`select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`;
  let rows = "";
  for (const { name } of tables) rows += JSON.stringify((await sql.unsafe(`select to_jsonb(t) as row from ${name} t`)) as unknown);
  await sql.end();
  await perdure.stop();
  await temporal.stop();
  await database.stop();
  const temporalFiles = await Promise.all((await readdir(join(folder, "temporal"))).map((file) => readFile(join(folder, "temporal", file), "latin1")));

  for (const [place, text] of [
    ["answers", JSON.stringify(shown)],
    ["logs", logs],
    ["tables", rows],
    ["the Temporal database", temporalFiles.join("")],
  ] as const) {
    expect(text.length, place).toBeGreaterThan(100);
    for (const form of [
      CANARY,
      JSON.stringify(CANARY).slice(1, -1),
      encodeURIComponent(CANARY),
      Buffer.from(CANARY).toString("base64"),
      Buffer.from(`Bearer ${CANARY}`).toString("base64"),
    ]) {
      expect(text.includes(form), `${form} in ${place}`).toBe(false);
    }
  }
  expect(temporalFiles.join("").includes("binary/sealed"), "the search reads the right files").toBe(true);
  await outside.close();
  await remove();
});
