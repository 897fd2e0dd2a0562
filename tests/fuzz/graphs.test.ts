/** Graphs that nobody would draw, through HTTP, the real compiler and PostgreSQL. The long form is `npm run test:fuzz`. */
import { readFileSync, readdirSync } from "node:fs";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { type Json, type JsonObject, isObject } from "#core";
import { type Database, openDatabase } from "#db";
import { catalogue } from "#nodes";
import { createCompiler } from "#runs";
import { graphCases } from "#tests/graph-cases.ts";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";
import { createTestApp } from "../../api/testing/test-app.ts";
import { mutate, randomOf, unlessTooDeep } from "./mutate.ts";

const GRAPHS = Number(process.env["FUZZ_GRAPHS"] ?? 400);
const SEED = Number(process.env["FUZZ_SEED"] ?? 1);
/** Only the long form looks at the clock: processor time of this thread, so that other work on the machine does not count. */
const MAX_CPU_MS = process.env["FUZZ_GRAPHS"] === undefined ? Number.POSITIVE_INFINITY : 1_000;
/** Saved workflows are taken away after so many. */
const KEPT = 1_000;
const PROGRESS = 5_000;

let database: TestDatabase;
let db: Database;
let admin: postgres.Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 4 });
  admin = postgres(database.url, { max: 1, onnotice: () => {} });
});

afterAll(async () => {
  await db?.close();
  await admin?.end();
  await database?.drop();
});

const root = new URL("../../", import.meta.url);
function documents(): Json[] {
  const fixtures = ["documented-workflow.json", "documented-two-triggers.json"].map(
    (file) => JSON.parse(readFileSync(new URL(`tests/fixtures/${file}`, root), "utf8")) as JsonObject,
  );
  const templates = readdirSync(new URL("templates/", root)).map((file) => parse(readFileSync(new URL(`templates/${file}`, root), "utf8")) as JsonObject);
  const cases = graphCases.map(({ title, flow_data }) => ({ name: title, flow_data }) as JsonObject);
  return [...fixtures, ...templates, ...cases].map((document) => {
    const { flow_data, nodes, edges } = document;
    return { name: String(document["name"] ?? "Unnamed").slice(0, 100), ...(flow_data === undefined ? { nodes, edges } : { flow_data }) } as Json;
  });
}

test(
  `B1 F4: When ${GRAPHS} mutated graphs are validated and saved, then none crashes, hangs or is answered with a failure of ours`,
  { timeout: GRAPHS * 200 + 60_000 },
  async () => {
    const app = createTestApp({ db, compile: createCompiler(db, catalogue) }, { REQUEST_MAX_BODY_BYTES: 6 * 1024 * 1024 });
    const { token } = await app.signUp();
    const good = documents();
    const random = randomOf(SEED);
    const statuses = new Map<string, number>();
    let slowest = { ms: 0, number: 0 };
    const pollution = Object.keys(Object.prototype).length;

    async function send(method: string, path: string, body: string | undefined, number: number): Promise<{ status: number; body: JsonObject }> {
      const before = process.threadCpuUsage();
      const answer = await app.call(method, path, { token, ...(body !== undefined && { body }) });
      const { user, system } = process.threadCpuUsage(before);
      const ms = (user + system) / 1_000;
      if (ms > slowest.ms) slowest = { ms, number };
      const where = `graph ${number} of seed ${SEED}: ${method} ${path} → ${answer.status} in ${Math.round(ms)} ms\n${body?.slice(0, 2_000)}`;
      expect(answer.status, where).toBeLessThan(500);
      expect(ms, where).toBeLessThan(MAX_CPU_MS);
      const kind = `${method} ${path.replace(/[0-9a-f-]{36}/, "{id}")} ${answer.status}`;
      statuses.set(kind, (statuses.get(kind) ?? 0) + 1);
      return answer;
    }

    for (const document of good) {
      const { status, body } = await send("POST", "/api/v1/workflows", JSON.stringify(document), -1);
      expect(status, JSON.stringify(body)).toBe(201);
    }
    for (let number = 0; number < GRAPHS; number++) {
      if (number % PROGRESS === PROGRESS - 1) process.stderr.write(`[fuzz] ${number + 1} of ${GRAPHS}\n`);
      const text = unlessTooDeep(() => JSON.stringify(mutate(good[number % good.length] ?? null, random)));
      if (text === undefined) continue;
      await send("POST", "/api/v1/workflows/validate", text, number);
      const { status, body } = await send("POST", "/api/v1/workflows", text, number);
      if (status === 201 && number % 10 === 0 && isObject(body)) {
        const path = `/api/v1/workflows/${String(body["id"])}`;
        expect((await send("GET", path, undefined, number)).body["flow_data"]).toBeDefined();
        const other = mutate(good[(number + 1) % good.length] ?? null, random);
        const flow_data = isObject(other) ? other["flow_data"] : other;
        const change = unlessTooDeep(() => JSON.stringify({ flow_data: flow_data ?? {} }));
        if (change !== undefined) await send("PATCH", path, change, number);
        await send("GET", `${path}/diff?from=1&to=2`, undefined, number);
        await send("GET", `${path}/export`, undefined, number);
        await send("POST", `${path}/validate`, "{}", number);
      }
      if (number % KEPT === KEPT - 1) await admin`truncate workflows, workflow_versions, audit_events cascade`;
    }
    expect(Object.keys(Object.prototype).length, "no prototype was touched").toBe(pollution);
    expect(({} as JsonObject)["polluted"]).toBeUndefined();
    const saved = statuses.get("POST /api/v1/workflows 201") ?? 0;
    expect(saved, "mutations reach the compiler").toBeGreaterThan(GRAPHS / 4);
    process.stdout.write(
      `${JSON.stringify({ graphs: GRAPHS, seed: SEED, slowest_cpu_ms: Math.round(slowest.ms), slowest: slowest.number, ...Object.fromEntries(statuses) })}\n`,
    );
  },
);
