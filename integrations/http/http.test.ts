import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHttp, type Http, type HttpOptions } from "./index.ts";

interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
}

const seen: Seen[] = [];
const opened: Http[] = [];
let server: Server;
let other: Server;
let port: number;
let otherPort: number;

const routes: Record<string, (request: Seen, response: ServerResponse) => void> = {
  "/echo": ({ method, headers, body }, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ method, headers, body }));
  },
  "/to-other": (_request, response) => response.writeHead(302, { location: `http://localhost:${otherPort}/echo` }).end(),
  "/to-same": (_request, response) => response.writeHead(307, { location: "/echo" }).end(),
  "/see-other": (_request, response) => response.writeHead(303, { location: "/echo" }).end(),
  "/to-private": (_request, response) => response.writeHead(302, { location: `http://127.0.0.1:${otherPort}/echo` }).end(),
  "/to-file": (_request, response) => response.writeHead(302, { location: "file:///etc/passwd" }).end(),
  "/loop": (_request, response) => response.writeHead(302, { location: "/loop" }).end(),
  "/large": (_request, response) => response.end("x".repeat(5000)),
  "/bomb": (_request, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(Buffer.alloc(2_000_000))),
  "/zipped": (_request, response) => response.writeHead(200, { "content-encoding": "gzip", "content-type": "text/plain" }).end(gzipSync("hello")),
  "/zipped-often": (_request, response) => response.writeHead(200, { "content-encoding": Array(500).fill("gzip").join(",") }).end(gzipSync("hello")),
  "/chunks": (_request, response) => {
    for (let count = 0; count < 50; count++) response.write("y".repeat(100));
    response.end();
  },
  "/hang": () => {},
  "/reset": (_request, response) => response.destroy(),
};

function listen(): Promise<Server> {
  const made = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const record: Seen = { method: request.method ?? "", url: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks).toString() };
      seen.push(record);
      const route = routes[record.url.split("?")[0] ?? ""];
      if (route) route(record, response);
      else response.writeHead(404).end("nothing here");
    });
  });
  return new Promise((done) => made.listen(0, "127.0.0.1", () => done(made)));
}

beforeAll(async () => {
  [server, other] = await Promise.all([listen(), listen()]);
  port = (server.address() as AddressInfo).port;
  otherPort = (other.address() as AddressInfo).port;
});
afterAll(async () => {
  await Promise.all(opened.map((http) => http.close()));
  for (const each of [server, other]) {
    each.closeAllConnections();
    each.close();
  }
});

function http(options: Partial<HttpOptions> = {}): Http {
  const made = createHttp({ allow: [`localhost:${port}`, `localhost:${otherPort}`], resolve: async () => [{ address: "127.0.0.1", family: 4 }], ...options });
  opened.push(made);
  return made;
}

function get(client: Http, url: string, more: Partial<Parameters<Http["request"]>[0]> = {}, signal = new AbortController().signal) {
  return client.request({ tenantId: "t", method: "GET", url, headers: {}, timeoutMs: 5_000, followRedirects: true, verifyTls: true, ...more }, signal);
}

const at = (path: string) => `http://localhost:${port}${path}`;
const echoed = (body: Uint8Array) => JSON.parse(new TextDecoder().decode(body)) as { method: string; headers: Record<string, string>; body: string };

describe("what is refused", () => {
  test.each([
    "http://127.0.0.1:1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://[::1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/",
    "http://１２７.０.０.１/",
  ])("F4: When the URL is %s, then it is refused", async (url) => {
    await expect(get(http(), url)).rejects.toMatchObject({ code: "outbound.refused", retryable: false });
  });

  test("F4: When a name has a private address among its addresses, then it is refused and nothing is sent", async () => {
    const client = http({
      resolve: async () => [
        { address: "93.184.216.34", family: 4 },
        { address: "127.0.0.1", family: 4 },
      ],
    });
    const before = seen.length;
    await expect(get(client, `http://public.example:${port}/echo`)).rejects.toMatchObject({ code: "outbound.refused" });
    expect(seen.length).toBe(before);
  });

  test("F4: When a name changes its address after the check, then the checked one is connected to", async () => {
    let asked = 0;
    const client = http({ allow: ["127.0.0.1/32"], resolve: async () => [{ address: asked++ === 0 ? "127.0.0.1" : "10.255.255.1", family: 4 }] });
    expect((await get(client, `http://rebinding.example:${port}/echo`)).status).toBe(200);
    expect(asked).toBe(1);
  });

  test("F4: When a redirect leads to a private address, then it is refused", async () => {
    await expect(get(http(), at("/to-private"))).rejects.toMatchObject({ code: "outbound.refused" });
  });

  test("When a redirect or a URL has another scheme or credentials, then it is refused", async () => {
    await expect(get(http(), at("/to-file"))).rejects.toMatchObject({ code: "outbound.refused" });
    await expect(get(http(), "ftp://localhost/")).rejects.toMatchObject({ code: "outbound.refused" });
    const withPassword = get(http(), `http://me:hunter22@localhost:${port}/echo`);
    await expect(withPassword).rejects.toMatchObject({ code: "outbound.refused" });
    await expect(withPassword).rejects.not.toThrow(/hunter22/);
  });

  test("When only one port of a host is allowed, then another is refused", async () => {
    await expect(get(http({ allow: ["localhost:1"] }), at("/echo"))).rejects.toMatchObject({ code: "outbound.refused" });
  });
});

describe("redirects", () => {
  const secret = { authorization: "Bearer abc", cookie: "a=b", "x-api-key": "k", accept: "text/html" };

  test("F2: When a redirect leaves the origin, then nothing that proves the sender goes along", async () => {
    const { body } = await get(http(), at("/to-other"), { headers: secret });
    expect(echoed(body).headers).toMatchObject({ accept: "text/html" });
    for (const name of ["authorization", "cookie", "x-api-key"]) expect(echoed(body).headers).not.toHaveProperty(name);
  });

  test("When a redirect stays, then method, headers and body go along as its status says", async () => {
    const kept = echoed((await get(http(), at("/to-same"), { method: "POST", headers: secret, body: "data" })).body);
    expect(kept).toMatchObject({ method: "POST", body: "data", headers: { authorization: "Bearer abc" } });
    const turned = echoed((await get(http(), at("/see-other"), { method: "PUT", headers: { "content-type": "text/plain" }, body: "data" })).body);
    expect(turned).toMatchObject({ method: "GET", body: "" });
    expect(turned.headers).not.toHaveProperty("content-type");
  });

  test("When redirects are not followed, then the answer is the redirect", async () => {
    expect((await get(http(), at("/to-same"), { followRedirects: false })).status).toBe(307);
  });

  test("When redirects never end, then the limit does", async () => {
    const before = seen.length;
    await expect(get(http({ maxRedirects: 2 }), at("/loop"))).rejects.toMatchObject({ code: "upstream.rejected" });
    expect(seen.length - before).toBe(3);
  });
});

describe("limits and failures", () => {
  test.each(["/large", "/chunks", "/bomb"])("F4: When %s is larger than the limit, then it is not read to its end", async (path) => {
    await expect(get(http({ maxResponseBytes: 1000 }), at(path))).rejects.toMatchObject({ code: "output.too_large" });
  });

  test("When a body is compressed, then it is read and its encoding is not named any more", async () => {
    const { body, headers } = await get(http(), at("/zipped"));
    expect(new TextDecoder().decode(body)).toBe("hello");
    expect(headers).not.toHaveProperty("content-encoding");
  });

  test("F4: When a body says that it is compressed hundreds of times over, then it is not read", async () => {
    await expect(get(http(), at("/zipped-often"))).rejects.toMatchObject({ code: "upstream.rejected", message: expect.stringContaining("500 times") });
  });

  test("When the answer does not come in time, then it is network.timed_out", async () => {
    await expect(get(http(), at("/hang"), { timeoutMs: 100 })).rejects.toMatchObject({ code: "network.timed_out", retryable: true });
  });

  test("When the caller gives up, then its own reason comes out", async () => {
    const caller = new AbortController();
    const pending = get(http(), at("/hang"), {}, caller.signal);
    setTimeout(() => caller.abort(new Error("cancelled by me")), 30);
    await expect(pending).rejects.toThrow("cancelled by me");
  });

  test("A16: When nobody answers, the name is unknown or the line is cut, then it is network.unreachable", async () => {
    await expect(get(http({ allow: ["127.0.0.1"] }), "http://127.0.0.1:1/")).rejects.toMatchObject({ code: "network.unreachable", retryable: true });
    const unknown = http({ resolve: () => Promise.reject(Object.assign(new Error("not found"), { code: "ENOTFOUND" })) });
    await expect(get(unknown, "http://nowhere.example/")).rejects.toMatchObject({ code: "network.unreachable" });
    await expect(get(http(), at("/reset"))).rejects.toMatchObject({ code: "network.unreachable" });
  });

  test("When a header cannot be sent, then the request is invalid and its value is not told", async () => {
    const sent = get(http(), at("/echo"), { headers: { "x-key": "secret\r\nx: y" } });
    await expect(sent).rejects.toMatchObject({ code: "validation.failed" });
    await expect(sent).rejects.not.toThrow(/secret/);
  });
});

describe("guardedFetch", () => {
  test("F4: When an SDK fetches, then the same guard stands before it", async () => {
    const client = http({ allow: [] });
    await expect(client.guardedFetch("t")(at("/echo"))).rejects.toMatchObject({ cause: { code: "outbound.refused" } });
  });

  test("When the operator has configured the origin, then it is reached, and no other is", async () => {
    const trusted = http({ allow: [] }).guardedFetch("t", { trustedOrigin: `http://127.0.0.1:${port}` });
    expect((await trusted(`http://127.0.0.1:${port}/echo`)).status).toBe(200);
    await expect(trusted(`http://127.0.0.1:${otherPort}/echo`)).rejects.toMatchObject({ cause: { code: "outbound.refused" } });
    expect((await trusted(`http://127.0.0.1:${port}/to-private`)).status).toBe(302);
  });

  test("When the body is larger than the limit, then reading it fails", async () => {
    const response = await http({ maxResponseBytes: 1000 }).guardedFetch("t")(at("/chunks"));
    await expect(response.text()).rejects.toMatchObject({ code: "output.too_large" });
  });
});
