import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { type Client, createClient, type HubMessage } from "./index.ts";

type Said = { type: string; id?: string; data: { topics: { topic: string; after?: unknown; since?: string }[] } };
/** What the server does with a connection once it has subscribed. */
type Turn = (socket: WebSocket, said: Said) => void;

const ID = "019ab1c0-0000-7000-8000-000000000000";
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A hub that takes its turns with one connection after the other, the last again and again. */
async function hub(...turns: Turn[]): Promise<{ client: Client; subscriptions: Said[]; tickets: string[] }> {
  const subscriptions: Said[] = [];
  const tickets: string[] = [];
  let issued = 0;
  const server = createServer((_request, response) =>
    response.writeHead(201, { "content-type": "application/json" }).end(JSON.stringify({ ticket: `t ${++issued}` })),
  );
  const sockets = new WebSocketServer({ server, path: "/ws" });
  sockets.on("connection", (socket, request) => {
    tickets.push(new URL(request.url ?? "", "http://x").searchParams.get("ticket") ?? "");
    say(socket, "Welcome", {});
    socket.on("message", (data) => {
      const said = JSON.parse((data as Buffer).toString()) as Said;
      if (said.type === "Ping") return say(socket, "Pong", {});
      subscriptions.push(said);
      (turns[subscriptions.length - 1] ?? turns.at(-1))?.(socket, said);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { client: createClient({ url, token: "a-token", retry: { initialDelayMs: 1, maxDelayMs: 5 } }), subscriptions, tickets };
}

function say(socket: WebSocket, type: string, data: object, id?: string): void {
  socket.send(JSON.stringify({ type, data, ...(id !== undefined && { id }) }));
}
const subscribed = (socket: WebSocket, { id, data }: Said) => say(socket, "Subscribed", { topics: data.topics.map(({ topic }) => topic) }, id);
const event = (socket: WebSocket, topic: string, run: string, id: number, kind = "node_start") =>
  say(socket, "Event", { topic, run_id: run, id, seq: id, kind });

async function heard(messages: AsyncIterable<HubMessage>, most = Number.POSITIVE_INFINITY): Promise<string[]> {
  const lines: string[] = [];
  for await (const message of messages) {
    lines.push(message.type === "Event" ? `${message.data.run_id} ${message.data.id}` : message.type);
    if (lines.length >= most) break;
  }
  return lines;
}

test("D9 G1: When the connection to the hub breaks, then it goes on behind the last event with another ticket, each event once, until the run has ended", async () => {
  const topic = `run:${ID}`;
  const { client, subscriptions, tickets } = await hub(
    (socket, said) => {
      subscribed(socket, said);
      for (const n of [1, 2]) event(socket, topic, ID, n);
      socket.close(1001);
    },
    (socket, said) => {
      subscribed(socket, said);
      socket.terminate();
    },
    (socket, said) => {
      subscribed(socket, said);
      for (const n of [2, 3]) event(socket, topic, ID, n);
      say(socket, "Ended", { topic });
    },
  );
  expect(await heard(client.live.follow([topic]))).toEqual([`${ID} 1`, `${ID} 2`, `${ID} 3`, "Ended"]);
  expect(subscriptions.map(({ data }) => data.topics)).toEqual([[{ topic }], [{ topic, after: 2 }], [{ topic, after: 2 }]]);
  expect(tickets).toEqual(["t 1", "t 2", "t 3"]);
});

test("D9 G1: When a topic about many runs is taken up again, then with the runs that live, and what began since; a channel as it was", async () => {
  const { client, subscriptions } = await hub(
    (socket, said) => {
      subscribed(socket, said);
      event(socket, "organization", "r1", 4);
      event(socket, "organization", "r2", 7, "workflow_complete");
      socket.close(1011);
    },
    (socket, said) => {
      subscribed(socket, said);
      event(socket, "organization", "r2", 7, "workflow_complete");
      event(socket, "organization", "r1", 5);
      say(socket, "Broadcast", { topic: "kitchen", payload: 1, id: "b", from: "u", at: "now" });
    },
  );
  expect(await heard(client.live.follow(["kitchen", { topic: "organization", events: ["node_start"], after: { r0: 1 } }]), 4)).toEqual([
    "r1 4",
    "r2 7",
    "r1 5",
    "Broadcast",
  ]);
  const again = subscriptions[1]?.data.topics;
  expect(again?.[0]).toEqual({ topic: "kitchen" });
  expect(again?.[1]).toEqual({ topic: "organization", events: ["node_start"], after: { r0: 1, r1: 4 }, since: expect.any(String) as string });
  expect(Date.now() - Date.parse(again?.[1]?.since ?? "")).toBeLessThan(60_000);
});

test("D9 G1: When a topic is refused, or the server closes for good, then that is the error and nothing is tried again", async () => {
  const refused = await hub((socket, { id }) => say(socket, "Error", { code: "resource.not_found", message: "No such run.", status: 404, topic: "run:x" }, id));
  await expect(heard(refused.client.live.follow(["run:x"]))).rejects.toMatchObject({ name: "ApiError", code: "resource.not_found", status: 404 });
  const closed = await hub((socket) => socket.close(4403));
  await expect(heard(closed.client.live.follow(["organization"]))).rejects.toMatchObject({ name: "ApiError", status: 403 });
  expect([refused.subscriptions.length, closed.subscriptions.length]).toEqual([1, 1]);
});

test("D9 G1: When the hub falls silent, then another connection is made; when the signal is aborted, then it ends with its reason", async () => {
  const { client, subscriptions } = await hub((socket, said) => {
    subscribed(socket, said);
    socket.removeAllListeners("message");
  }, subscribed);
  const stop = new AbortController();
  const following = heard(client.live.follow(["organization"], { silenceMs: 100, signal: stop.signal }));
  await expect.poll(() => subscriptions.length).toBe(2);
  stop.abort(new Error("enough"));
  await expect(following).rejects.toThrow("enough");
});

test("D9 G1: When the API does not answer at first, then following fails at once; once it was there, it is waited for as long as patience lasts", async () => {
  const gone = createClient({ url: "http://127.0.0.1:1", token: "t", retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 5 } });
  await expect(heard(gone.live.follow(["organization"]))).rejects.toMatchObject({ name: "ConnectionError" });
  const { client } = await hub((socket, said) => {
    subscribed(socket, said);
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    socket.terminate();
  });
  const began = Date.now();
  await expect(heard(client.live.follow(["organization"], { patienceMs: 200 }))).rejects.toMatchObject({ name: "ConnectionError" });
  expect(Date.now() - began).toBeGreaterThanOrEqual(200);
});
