import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { createTestApp } from "../testing/test-app.ts";

const BODY = "{}";

test("C1 F4: When a signed call comes from an address that may not call, then it is refused as if there were no webhook, and nothing of its body is read", async () => {
  const { app, db, call, signUp, saveWorkflow } = createTestApp();
  const { token } = await signUp();
  const data = { response_mode: "accepted", signature: "hmac", allowed_ips: ["10.0.0.0/8"] };
  await saveWorkflow(token, { nodes: [{ id: "start", type: "WebhookTrigger", data }], edges: [] });
  const id = db.state.webhooks[0]?.id ?? "";
  const secret = String((await call("GET", `/api/v1/webhooks/${id}`, { token })).body["signing_secret"]);

  async function sendFrom(remoteAddress: string, hook = id) {
    const at = String(Math.floor(Date.now() / 1_000));
    const signature = createHmac("sha256", secret).update(`${at}.${BODY}`).digest("hex");
    let isRead = false;
    const pull = (controller: ReadableStreamDefaultController) => {
      isRead = true;
      controller.enqueue(Buffer.from(BODY));
      controller.close();
    };
    const init = {
      method: "POST",
      headers: { "content-type": "application/json", "x-webhook-timestamp": at, "x-webhook-signature": signature },
      body: new ReadableStream({ pull }, { highWaterMark: 0 }),
      duplex: "half",
    };
    const response = await app.request(`/api/v1/hooks/${hook}`, init as RequestInit, { incoming: { socket: { remoteAddress } } });
    const { correlation_id: _correlation, ...answer } = (await response.json()) as Record<string, unknown>;
    return { status: response.status, answer, isRead };
  }

  const refused = await sendFrom("192.0.2.7");
  expect([refused.status, refused.isRead]).toEqual([401, false]);
  expect(refused.answer).toEqual((await sendFrom("192.0.2.7", "wh_ffffffffffffffffffffffff")).answer);
  expect(await sendFrom("10.1.2.3")).toMatchObject({ status: 202, isRead: true });
});
