import { randomBytes } from "node:crypto";
import { Secret, TOTP } from "otpauth";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { createClient, memorySession } from "#client";
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

  test("D9: When what is around workflows is asked for by its own methods, then the examples do what they say against a real api", async () => {
    const client = await examples.signIn(perdure.base, ACCOUNT.email, ACCOUNT.password);
    const graph = {
      nodes: [
        { id: "hook", type: "WebhookTrigger" },
        { id: "end", type: "End" },
      ],
      edges: [{ source: "hook", target: "end" }],
    };
    const { id } = await client.workflows.create({ name: "Around", flow_data: graph });
    expect(await said((say) => examples.webhooks(client, id, say))).toEqual([expect.stringMatching(/^Call http:.*\/hooks\/wh_[0-9a-f]{24} with whk_…$/)]);
    expect(await said((say) => examples.schedules(client, id, say))).toEqual(["paused"]);
    expect(await said((say) => examples.building(client, id, say))).toEqual(["custom.weather"]);
    expect((await client.variables.of(id).get("greeting")).value).toBe("Good day");
    await until("its run is there", async () => {
      for await (const _run of client.runs.list({ workflow_id: id })) return true;
      return false;
    });
    expect(await said((say) => examples.counted(client, id, say))).toEqual(["true"]);
    const told = await said((say) => examples.organization(client, say));
    expect(told.at(-1)).toBe("pk_");
    expect(told).toEqual(expect.arrayContaining([expect.stringMatching(/ createSchedule$/), expect.stringMatching(/ setRetention$/)]));
    expect((await client.organization.retention()).days.run_events).toBe(90);
  });

  test("D9 D1: When a second factor is turned on with the client, then signing in asks for its code, and other sessions were ended", async () => {
    const account = { email: `second-${randomBytes(4).toString("hex")}@example.com`, password: "correct horse battery" };
    const [client, other] = [createClient({ url: perdure.base }), createClient({ url: perdure.base })];
    await client.auth.register(account);
    await other.auth.login(account);
    const codeOf = (secret: string, steps = 0) => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + steps * 30_000 });
    let secret = "";
    const authenticator = { codeOf: (given: string) => codeOf((secret = given), -1) };
    expect(await said((say) => examples.secondFactor(client, account.password, authenticator, say))).toEqual(["otpauth:// 10"]);
    await expect(other.auth.me()).rejects.toMatchObject({ status: 401 });
    await expect(other.auth.login(account)).rejects.toMatchObject({ code: "auth.required" });
    await other.auth.login({ ...account, code: () => codeOf(secret) });
    expect((await other.auth.me()).email).toBe(account.email);
  });

  test("D9 F1: When a client switches to another organization, then it acts in it, also after its token was renewed; to a foreign one it cannot", async () => {
    const [owner, guest] = [createClient({ url: perdure.base }), createClient({ url: perdure.base, session: memorySession() })];
    const emails = ["owner", "guest"].map((name) => `${name}-${randomBytes(4).toString("hex")}@example.com`) as [string, string];
    await owner.auth.register({ email: emails[0], password: ACCOUNT.password });
    await guest.auth.register({ email: emails[1], password: ACCOUNT.password });
    const theirs = (await owner.auth.me()).organization.id;
    await expect(guest.auth.switchOrganization(theirs)).rejects.toMatchObject({ status: 404 });
    const home = (await guest.auth.me()).organization.id;
    const { token } = await owner.organization.invitations.create({ email: emails[1], role: "viewer" });
    await guest.organization.invitations.join(token);
    await guest.auth.switchOrganization(theirs);
    expect([(await guest.auth.me()).organization.id, (await guest.auth.me()).role]).toEqual([theirs, "viewer"]);
    await guest.auth.switchOrganization(home);
    expect((await guest.auth.me()).organization.id).toBe(home);
    expect((await guest.organization.all()).map(({ id }) => id).toSorted()).toEqual([home, theirs].toSorted());
  });

  test("D9 G1: When topics are followed live, then the example hears the run and what members say", async () => {
    const client = await examples.signIn(perdure.base, ACCOUNT.email, ACCOUNT.password);
    const { id } = await client.workflows.create({ name: "Live", nodes: [{ id: "start", type: "Start" }] });
    const lines: string[] = [];
    const example = examples.live(client, id, (line) => lines.push(line));
    await until("it watches", async () => (await client.live.watchers("kitchen")).total === 1);
    const { id: run } = await client.workflows.start(id);
    await until("it has heard the end", async () => lines.includes(`${run}: workflow_complete`));
    await client.live.publish("kitchen", { ready: true });
    await example;
    expect(lines.every((line) => line.startsWith(run))).toBe(true);
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
