import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { TestClient } from "../support/client.ts";
import { type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { until } from "../support/until.ts";

let perdure: Perdure;
let shop: CountingServer;
/** What the shop does with a call: refuses it, keeps it waiting, or answers. */
let shopIs: "down" | "slow" | "up" = "down";
let release = (): void => {};

beforeAll(async () => {
  shop = await startCountingServer({
    reply: async (_call, response) => {
      if (shopIs === "slow") await new Promise<void>((resolve) => (release = resolve));
      response.writeHead(shopIs === "down" ? 503 : 200, { "content-type": "application/json" }).end('{"price":7}');
    },
  });
  perdure = await startPerdure({ BREAKER_FAILURES: "3", BREAKER_OPEN_MS: "3000", BREAKER_REPORT_INTERVAL_MS: "500" });
});
afterAll(async () => {
  release();
  await perdure?.stop();
  await shop?.close();
});

test("A17 K1: When a host fails, then the API shows its circuit open, half open while one call tries, and nothing once it is back", async () => {
  const { user, base } = perdure;
  const name = new URL(shop.url).host;
  const circuits = async () => (await user.get<JsonObject[]>("/api/v1/circuits")).body;
  const counts = async () => (await user.get("/health/detailed")).body["circuits"];
  expect(await circuits()).toEqual([]);

  const run = await user.start(
    await user.saveWorkflow({
      nodes: [
        {
          id: "price",
          type: "HttpRequest",
          data: { inputs: { url: `${shop.url}/price` }, settings: { retry: { maximum_attempts: 100, initial_interval: "100ms", maximum_interval: "300ms" } } },
        },
      ],
    }),
  );
  await until("the circuit opens", async () => (await circuits()).length === 1);
  const [open] = await circuits();
  expect(open).toMatchObject({ kind: "http", name, state: "open", failures: 3 });
  // Each is rounded to a millisecond by itself.
  expect(Math.abs(Date.parse(String(open?.["retry_at"])) - Date.parse(String(open?.["opened_at"])) - 3_000)).toBeLessThanOrEqual(1);
  expect(shop.calls).toHaveLength(3);
  await until("it is counted", async () => JSON.stringify(await counts()) === '{"open":1,"half_open":0}');
  const stranger = await TestClient.register(base);
  expect((await stranger.get("/api/v1/circuits")).body).toEqual([]);

  shopIs = "slow";
  await until("one call tries", async () => (await circuits())[0]?.["state"] === "half_open");
  expect(shop.calls).toHaveLength(4);
  shopIs = "up";
  release();
  expect(await user.ended(run)).toMatchObject({ status: "completed", outputs: { status: 200, body: { price: 7 } } });
  await until("the circuit is closed", async () => (await circuits()).length === 0);
  await until("nothing is counted", async () => JSON.stringify(await counts()) === '{"open":0,"half_open":0}');
});

test("A17: When a worker is killed, then what it told of its circuits is soon forgotten", async () => {
  const { user } = perdure;
  shopIs = "down";
  const failing = {
    nodes: [
      {
        id: "price",
        type: "HttpRequest",
        data: { inputs: { url: `${shop.url}/price` }, settings: { retry: { maximum_attempts: 3, initial_interval: "50ms" } } },
      },
    ],
  };
  await user.ended(await user.start(await user.saveWorkflow(failing)));
  const circuits = async () => (await user.get<JsonObject[]>("/api/v1/circuits")).body;
  await until("the circuit opens", async () => (await circuits()).length === 1);
  perdure.worker.kill9();
  expect(await circuits()).toHaveLength(1);
  await until("it is forgotten", async () => (await circuits()).length === 0);
});
