import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { createTestApp } from "../testing/test-app.ts";

async function signedHook() {
  const app = createTestApp();
  const { token } = await app.signUp();
  await app.saveWorkflow(token, { nodes: [{ id: "start", type: "WebhookTrigger", data: { response_mode: "accepted", signature: "hmac" } }], edges: [] });
  const hook = app.db.state.webhooks[0];
  if (!hook) throw new Error("no webhook");
  const { body } = await app.call("GET", `/api/v1/webhooks/${hook.id}`, { token });
  const at = String(Math.floor(Date.now() / 1_000));
  const signature = createHmac("sha256", String(body["signing_secret"])).update(`${at}.{}`).digest("hex");
  const proof = { "x-webhook-timestamp": at, "x-webhook-signature": signature };
  const send = (headers: Record<string, string> = {}) => app.call("POST", `/api/v1/hooks/${hook.id}`, { body: {}, headers: { ...proof, ...headers } });
  return { ...app, send };
}

test("C1: When a call that started a run comes again, while that run waits for its type of event, then it is no event", async () => {
  const { send, db, runs } = await signedHook();
  const first = await send({ "idempotency-key": "one" });
  const runId = String(first.body["execution_id"]);
  db.webhooks.waiting = async () => runId;
  db.webhooks.started = async (_tenant, webhookId, { idempotencyKey, signatureHash }) =>
    signatureHash !== undefined && idempotencyKey === runs.starts[0]?.idempotency?.key && webhookId === db.state.webhooks[0]?.id;
  const again = await send({ "idempotency-key": "one" });
  expect([again.status, again.body["execution_id"]]).toEqual([202, runId]);
  expect(runs.commands).toEqual([]);
});

test("C1: When a signed call feeds a run, then its signature is taken by it, whatever the header says that names it and is not signed", async () => {
  const { send, db, runs } = await signedHook();
  const runId = String((await send()).body["execution_id"]);
  db.webhooks.waiting = async () => runId;
  await send({ "idempotency-key": "one" });
  await send({ "idempotency-key": "another" });
  const taken = runs.commands.map(({ call }) => [call?.delivery.signature?.hash, call?.key]);
  expect(taken).toEqual([
    [expect.stringMatching(/^[0-9a-f]{64}$/), expect.any(String)],
    [(taken[0] as string[])[0], expect.any(String)],
  ]);
  expect(new Set(taken.map(([, key]) => key)).size).toBe(2);
});
