import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createClient } from "#client";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { until } from "../support/until.ts";
import * as examples from "./client.examples.ts";

const ACCOUNT = { email: `reader-${randomBytes(4).toString("hex")}@example.com`, password: "correct horse battery" };
let perdure: Perdure;

beforeAll(async () => {
  perdure = await startPerdure();
  await createClient({ url: perdure.base }).auth.register(ACCOUNT);
});
afterAll(async () => {
  await perdure?.stop();
});

/** Runs an example and gives what it said. */
async function said(example: (say: examples.Say) => Promise<unknown>): Promise<string[]> {
  const lines: string[] = [];
  await example((line) => lines.push(line));
  return lines;
}

describe("the examples of docs/client.md", () => {
  test("D9: When they are run one after the other against a real api, then they do what they say", async () => {
    const client = await examples.signIn(perdure.base, ACCOUNT.email, ACCOUNT.password);
    let id = "";
    let run = "";
    expect(await said(async (say) => (id = await examples.saveAndRun(client, say)))).toEqual(["It says Hello Ada."]);
    expect(await said(async (say) => (run = await examples.start(client, id, say)))).toEqual(["completed"]);
    expect(await examples.start(client, id, () => undefined), "the same key names the same run").toBe(run);
    expect(await said((say) => examples.follow(client, id, say))).toContain('greet: "Hello Ada"');
    const later = await said((say) => examples.followLater(client, run, say));
    expect([later[0]?.startsWith("3 "), later.at(-1)?.endsWith("workflow_complete")]).toEqual([true, true]);
    expect(await said((say) => examples.anyOperation(client, id, say))).toEqual(["0 changes"]);
    expect((await client.workflows.get(id)).tags).toEqual(["shop"]);
    expect(await said((say) => examples.errors(client, id, say))).toEqual([]);
  });

  test("D9 A9: When a run waits for a person, then the example answers it", async () => {
    const client = await examples.signIn(perdure.base, ACCOUNT.email, ACCOUNT.password);
    const run = await client.runs.startGraph({ nodes: [{ id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Publish it?" } } }] });
    await until("it waits", async () => (await client.runs.get(run.id)).status === "waiting");
    expect(await said((say) => examples.answer(client, say))).toEqual(["Publish it?"]);
    expect(await client.runs.result(run.id)).toMatchObject({ status: "completed" });
  });

  test("D9 A2: When a graph has problems, then the example of errors tells them, and failed runs are listed", async () => {
    const client = await examples.signIn(perdure.base, ACCOUNT.email, ACCOUNT.password);
    const bad = await client.workflows.create({ name: "Bad", nodes: [{ id: "a", type: "HtpRequest" }] });
    expect(await said((say) => examples.errors(client, bad.id, say))).toEqual([expect.stringContaining("a: There is no node type") as string]);
    const failing = await client.runs.startGraph({ nodes: [{ id: "t", type: "Transform", data: { inputs: { expression: "$error('no')" } } }] });
    await client.runs.result(failing.id);
    expect(await said((say) => examples.list(client, say))).toEqual([`${failing.id} expression.failed`, "1 workflows"]);
  });

  test("D9 D1: When a page keeps its session, then it is signed in after it is loaded again, and out when it signs out", async () => {
    const kept = new Map<string, string>();
    let locked = 0;
    const page = {
      localStorage: {
        getItem: (key: string) => kept.get(key) ?? null,
        setItem: (key: string, value: string) => void kept.set(key, value),
        removeItem: (key: string) => void kept.delete(key),
      },
      navigator: { locks: { request: <T>(_name: string, work: () => Promise<T>) => (locked++, work()) } },
    };
    await examples.inPage(perdure.base, page).auth.login(ACCOUNT);
    const tokens = JSON.parse(kept.get("perdure") ?? "") as { refresh_token: string };
    kept.set("perdure", JSON.stringify({ ...tokens, expires_at: 0 }));
    expect(await examples.inPage(perdure.base, page).auth.me()).toMatchObject({ email: ACCOUNT.email });
    expect([locked, (JSON.parse(kept.get("perdure") ?? "") as typeof tokens).refresh_token === tokens.refresh_token]).toEqual([1, false]);
    await examples.inPage(perdure.base, page).auth.logout();
    expect(kept.size).toBe(0);
  });
});
