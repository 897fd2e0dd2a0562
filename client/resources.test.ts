import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createClient, memorySession } from "./index.ts";
import { operations } from "./operations.gen.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

type Asked = { method: string; url: string; body: string; accept: string | undefined; authorization: string | undefined };

async function serve(answer: (response: ServerResponse, asked: Asked) => void): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const one = { method: request.method ?? "", url: request.url ?? "", body, accept: request.headers.accept, authorization: request.headers.authorization };
      asked.push(one);
      answer(response, one);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** What is called by its operation id alone, and why. */
const WITHOUT_METHOD = {
  "the client itself": ["refresh"],
  "redirects and callbacks of browsers": ["listOidcProviders", "startOidc", "finishOidc", "exchangeOidc"],
  "by its list": ["getSession", "getInvitation", "getApiKey", "listWorkflowExecutions", "getWorkflowRun", "validateWorkflow"],
  "graphs are edited whole, with `workflows.update`": [
    "listWorkflowNodes",
    "addWorkflowNode",
    "getWorkflowNode",
    "replaceWorkflowNode",
    "updateWorkflowNode",
    "deleteWorkflowNode",
    "listWorkflowEdges",
    "addWorkflowEdge",
    "getWorkflowEdge",
    "replaceWorkflowEdge",
    "deleteWorkflowEdge",
  ],
  "`update` does it": ["replaceSchedule", "replaceCredential", "replaceWebhook"],
  "raw WebSockets": ["openHub", "openWorkflowStream"],
  "for Temporal's Web UI, and rare settings of admins": ["decodePayloads", "encodePayloads", "rotatePayloadKey", "setQueueLimit"],
  "for those who have a webhook's token, not an account's": [
    "callWebhook",
    "callWebhookGet",
    "callWebhookPut",
    "callWebhookPatch",
    "callWebhookDelete",
    "callTestWebhook",
    "callTestWebhookGet",
    "getWebhookInfo",
  ],
  "for probes": ["health", "ready", "detailedHealth"],
};

describe("friendly methods", () => {
  test("D9: When an operation is added to the API, then it gets a method, or stands here with the reason why it has none", () => {
    const files = [...readdirSync("client/resources").map((file) => `client/resources/${file}`), "client/resources.ts", "client/streaming.ts"];
    const text = files.map((file) => readFileSync(file, "utf8")).join("\n");
    const missing = Object.keys(operations).filter((name) => !new RegExp(`"${name}"|operations\\.${name}\\b`).test(text));
    expect(missing.toSorted()).toEqual(Object.values(WITHOUT_METHOD).flat().toSorted());
  });

  test("D9: When the audit log is exported, then its lines come while it is read, over any cut of the bytes; one that breaks off is an error", async () => {
    const lines = ['{"action":"ü🙂"}', "", '{"action":"b"}'];
    const bytes = Buffer.from(lines.join("\n"));
    const { url, asked } = await serve((response) => {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      for (let at = 0; at < bytes.length; at += 3) response.write(bytes.subarray(at, at + 3));
      if (asked.length === 1) response.end();
      else setTimeout(() => response.destroy(), 20);
    });
    const client = createClient({ url, token: "t", retry: { attempts: 1 } });
    const read = async () => {
      const actions: string[] = [];
      for await (const { action } of client.organization.audit.export({ action: "login" })) actions.push(action);
      return actions;
    };
    expect(await read()).toEqual(["ü🙂", "b"]);
    expect(asked[0]).toMatchObject({ method: "GET", url: "/api/v1/audit-events/export?action=login", accept: "application/x-ndjson" });
    await expect(read()).rejects.toMatchObject({ name: "ConnectionError" });
  });

  test("D9: When a webhook is watched, then its deliveries are given and nothing else of the stream", async () => {
    const { url, asked } = await serve((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end('event: listening\ndata: {}\n\n: still here\n\nevent: delivery\ndata: {"id":"d1"}\n\nevent: delivery\ndata: {"id":"d2"}\n\n');
    });
    const ids: string[] = [];
    for await (const { id } of createClient({ url, token: "t" }).webhooks.watch("wh_1")) ids.push(id);
    expect([ids, asked[0]?.url]).toEqual([["d1", "d2"], "/api/v1/webhooks/wh_1/stream"]);
  });

  test("D9 D1: When the organization is switched while calls are made and a token is renewed, then each refresh token is used once, and what is called after acts in the new one", async () => {
    let pairs = 0;
    const used: string[] = [];
    const { url, asked } = await serve((response, { url: path, body, authorization }) => {
      response.setHeader("content-type", "application/json");
      if (!path.endsWith("/auth/refresh")) return response.end(JSON.stringify({ id: authorization }));
      const { refresh_token, organization_id = "same" } = JSON.parse(body) as { refresh_token: string; organization_id?: string };
      used.push(refresh_token);
      const name = `${++pairs} ${organization_id}`;
      setTimeout(() => response.end(JSON.stringify({ access_token: name, refresh_token: `r${pairs}`, token_type: "bearer", expires_in: 1800 })), 20);
    });
    const session = memorySession({ access_token: "old", refresh_token: "r0", expires_at: 0 });
    const client = createClient({ url, session });
    const before = client.auth.me();
    await expect.poll(() => used).toEqual(["r0"]);
    const switching = client.auth.switchOrganization("o2");
    await Promise.all([before, switching]);
    expect((await client.auth.me()).id).toBe("Bearer 2 o2");
    expect(used).toEqual(["r0", "r1"]);
    expect(asked.filter(({ url: path }) => path.endsWith("/auth/refresh"))).toHaveLength(2);
    await expect(createClient({ url }).auth.switchOrganization("o2")).rejects.toMatchObject({ status: 401, code: "auth.required" });
  });

  test("D9: When a change names what it was made from, then `If-Match` is sent and nothing of it as an option", async () => {
    const { url, asked } = await serve((response) => void response.writeHead(204).end());
    const client = createClient({ url, token: "t" });
    await client.variables.of("w").delete("a b", { ifMatch: '"3"' });
    await client.credentials.delete("c", { force: true });
    await client.runs.migrate("r", 2, { dryRun: true });
    expect(asked.map(({ method, url: path, body }) => `${method} ${path} ${body}`)).toEqual([
      "DELETE /api/v1/workflows/w/variables/a%20b ",
      "DELETE /api/v1/credentials/c?force=true ",
      'POST /api/v1/executions/r/migrate?dry_run=true {"version":2}',
    ]);
  });
});
