import { expect, test } from "vitest";
import { createTestApp } from "../testing/test-app.ts";

const INTERVAL_MS = 200;

async function watched() {
  const app = createTestApp({}, { STREAM_REAUTHORIZE_INTERVAL_MS: INTERVAL_MS });
  const owner = await app.signUp();
  await app.saveWorkflow(owner.token, { nodes: [{ id: "start", type: "WebhookTrigger" }], edges: [] });
  const id = app.db.state.webhooks[0]?.id ?? "";
  const watch = async (token: string) => {
    const response = await app.app.request(`/api/v1/webhooks/${id}/stream`, { headers: { authorization: `Bearer ${token}` } });
    expect(response.status).toBe(200);
    return response.text();
  };
  return { ...app, owner, watch };
}

test("F3 C1: When somebody who watches a webhook signs out everywhere, then the stream ends by itself, and others' go on", async () => {
  const { call, owner, watch, shutdown } = await watched();
  const other = await call<{ key: string }>("POST", "/api/v1/api-keys", { token: owner.token, body: { name: "watches on" } });
  const [mine, theirs] = [watch(owner.token), watch(other.body.key)];
  let isOver = false;
  void theirs.finally(() => (isOver = true));
  expect((await call("POST", "/api/v1/auth/logout-everywhere", { token: owner.token })).status).toBe(204);
  expect(await mine).toMatch(/^event: listening\n.*\n\n: not authorized any more\n\n$/s);
  await new Promise((resolve) => setTimeout(resolve, 2 * INTERVAL_MS));
  expect(isOver).toBe(false);
  shutdown.abort();
  expect(await theirs).not.toContain("not authorized");
});

test("F3 C1: When the API key of who watches a webhook is revoked, then the stream ends by itself", async () => {
  const { call, owner, watch } = await watched();
  const { body } = await call<{ id: string; key: string }>("POST", "/api/v1/api-keys", { token: owner.token, body: { name: "watches" } });
  const stream = watch(body.key);
  expect((await call("DELETE", `/api/v1/api-keys/${body.id}`, { token: owner.token })).status).toBe(204);
  expect(await stream).toContain("not authorized any more");
});

test("C1: When nobody can say for a while who watches a webhook, then the stream goes on", async () => {
  const { call, db, owner, watch, shutdown } = await watched();
  const { body } = await call<{ key: string }>("POST", "/api/v1/api-keys", { token: owner.token, body: { name: "watches" } });
  const stream = watch(body.key);
  let asked = 0;
  db.apiKeys.get = () => (asked++, Promise.reject(new Error("away")));
  await expect.poll(() => asked).toBeGreaterThan(1);
  shutdown.abort();
  expect(await stream).not.toContain("not authorized");
});
