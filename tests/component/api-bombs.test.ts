/** Requests that are made to cost much: each is refused, and the process stays as small and as quick as it was. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { TestClient } from "#tests/client.ts";
import { type TestDatabase, createTestDatabase } from "#tests/database.ts";
import { testPayloadKeys } from "#tests/payloads.ts";
import { type RunningProcess, startApi } from "#tests/processes.ts";
import { until } from "#tests/until.ts";

const MIB = 1024 * 1024;
/** Of the requests' bodies. */
const MAX_BODY = 2 * MIB;
/** How much the process may grow over a request of a gigabyte; a few bodies of the largest size and the collector's slack. */
const FLAT = 192 * MIB;
/** The same where YAML is read: in threads of a bounded heap, which are made when they are needed. */
const FLAT_WITH_THREADS = 320 * MIB;
const HEADERS_TIMEOUT_MS = 1_000;
const REQUEST_TIMEOUT_MS = 2_000;
/** Between the end of a time limit and the moment at which the server looks for it. */
const SLACK_MS = 4_000;

let database: TestDatabase;
let api: RunningProcess;
let url: URL;
let user: TestClient;

beforeAll(async () => {
  database = await createTestDatabase();
  api = await startApi({
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: inject("temporalAddress"),
    TEMPORAL_TASK_QUEUE: `test-${randomBytes(6).toString("hex")}`,
    QDRANT_URL: inject("qdrantUrl"),
    JWT_SECRET_KEY: randomBytes(32).toString("hex"),
    PAYLOAD_KEYS: testPayloadKeys(),
    PORT: "0",
    LOG_LEVEL: "warn",
    REQUEST_MAX_BODY_BYTES: String(MAX_BODY),
    REQUEST_HEADERS_TIMEOUT_MS: String(HEADERS_TIMEOUT_MS),
    REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS),
    YAML_MAX_BYTES: String(MIB),
    JWT_ACCESS_TOKEN_EXPIRE_MINUTES: "0.2",
    STREAM_REAUTHORIZE_INTERVAL_MS: "200",
  });
  url = new URL(api.url ?? "");
});

afterAll(async () => {
  await api?.stop();
  await database?.drop();
});

/** Tokens of this api live for twelve seconds. */
const fresh = async (): Promise<TestClient> => (user = await TestClient.register(url.href));

async function residentBytes(): Promise<number> {
  const pages = (await readFile(`/proc/${api.pid}/statm`, "utf8")).split(" ")[1];
  return Number(pages) * 4096;
}

interface Raw {
  socket: Socket;
  /** Status line of the first answer; empty where the connection ended without one. */
  answered: Promise<string>;
  closed: Promise<number>;
}

function raw(): Raw {
  const startedAt = Date.now();
  const socket = connect(Number(url.port), url.hostname);
  let text = "";
  socket.on("error", () => {});
  const closed = new Promise<number>((resolve) => socket.once("close", () => resolve(Date.now() - startedAt)));
  const answered = new Promise<string>((resolve) => {
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (text.includes("\r\n")) resolve(text.split("\r\n")[0] ?? "");
    });
    socket.once("close", () => resolve(text.split("\r\n")[0] ?? ""));
  });
  return { socket, answered, closed };
}

/** Writes until the server has answered or cut, as fast as it takes. @returns bytes that were taken off our hands. */
async function pour({ socket, answered }: Raw, chunk: Buffer, total: number): Promise<number> {
  let done = false;
  void answered.then(() => (done = true));
  let sent = 0;
  while (!done && sent < total && !socket.destroyed) {
    const goesOn = socket.write(chunk);
    sent += chunk.length;
    if (!goesOn) await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), answered]);
  }
  return sent;
}

const post = (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  fetch(new URL(path, url), {
    method: "POST",
    headers: { authorization: `Bearer ${user.accessToken}`, "content-type": "application/json", ...headers },
    body,
  });

async function staysFlat(work: () => Promise<void>, flat = FLAT): Promise<void> {
  const before = await residentBytes();
  let peak = before;
  const watch = setInterval(() => void residentBytes().then((bytes) => (peak = Math.max(peak, bytes))), 50);
  try {
    await work();
  } finally {
    clearInterval(watch);
  }
  expect(Math.round((peak - before) / MIB), "MiB that the process grew").toBeLessThan(flat / MIB);
  expect((await fetch(new URL("/health", url))).status).toBe(200);
}

describe("bodies", () => {
  test("F4: When a body of a gigabyte comes in chunks, then it is 413 after the limit, with memory flat, also without a token, on every way a body is read", async () => {
    await fresh();
    const gigabyte = 1024 * MIB;
    const part = Buffer.alloc(64 * 1024, "x");
    const chunk = Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]);
    await staysFlat(async () => {
      for (const [path, token, status] of [
        ["/api/v1/workflows", true, 413],
        ["/api/v1/workflows/import", true, 413],
        ["/api/v1/auth/login", false, 413],
        ["/api/v1/workflows", false, 401],
      ] as const) {
        const one = raw();
        const authorization = token ? `authorization: Bearer ${user.accessToken}\r\n` : "";
        one.socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\n${authorization}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`);
        const sent = await pour(one, chunk, gigabyte);
        expect(await one.answered, path).toContain(` ${status} `);
        expect(sent, `${path}: bytes before the answer`).toBeLessThan(64 * MIB);
        // Who goes on sending is cut off.
        await pour({ ...one, answered: one.closed.then(String) }, chunk, gigabyte);
        one.socket.destroy();
      }
    });
  });

  test("F4: When a length is declared that is too large, wrong or doubled, then it is refused at once", async () => {
    await fresh();
    const head = `POST /api/v1/workflows HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${user.accessToken}\r\n`;
    for (const [headers, status] of [
      ["content-length: 1073741824\r\n", "413"],
      ["content-length: 99999999999999999999\r\n", "400"],
      ["content-length: -1\r\n", "400"],
      ["content-length: 5\r\ncontent-length: 6\r\n", "400"],
      ["content-length: 5\r\ntransfer-encoding: chunked\r\n", "400"],
      ["transfer-encoding: chunked, identity\r\n", "400"],
    ] as const) {
      const one = raw();
      one.socket.write(`${head}${headers}\r\n`);
      expect(await one.answered, headers).toContain(` ${status} `);
      one.socket.destroy();
    }
  });

  test("F4: When JSON nests a hundred thousand deep, or has a million members, then it is refused or read, with memory flat, in time", async () => {
    await fresh();
    const deep = "[".repeat(100_000);
    await staysFlat(async () => {
      for (const body of [deep, `{"flow_data":${deep}`, `{"a":`.repeat(100_000), `${deep}${"]".repeat(100_000)}`, `"${"[".repeat(100_000)}`]) {
        expect((await post("/api/v1/workflows", body)).status).toBe(400);
      }
      const members = `{"name":"x",${Array.from({ length: 100_000 }, (_, n) => `"k${n}":${n}`).join(",")}}`;
      const numbers = `{"name":"x","flow_data":{"nodes":[${"1e999,".repeat(100_000)}1]}}`;
      for (const body of [members, numbers, `{"name":"${"\\u0041".repeat(200_000)}"}`]) {
        const startedAt = Date.now();
        expect((await post("/api/v1/workflows", body)).status, body.slice(0, 30)).toBeLessThan(500);
        expect(Date.now() - startedAt).toBeLessThan(10_000);
      }
    });
  });

  test("F4: When a body is compressed, then it is 415, and nothing is read out of it", async () => {
    await fresh();
    const zeros = Buffer.alloc(256 * MIB, " ");
    const bombs = {
      gzip: gzipSync(zeros),
      br: brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
      "gzip, gzip": gzipSync(gzipSync(zeros)),
    };
    await staysFlat(async () => {
      for (const [coding, body] of Object.entries(bombs)) {
        for (const path of ["/api/v1/workflows", "/api/v1/workflows/import", "/api/v1/auth/login"]) {
          expect((await post(path, body, { "content-encoding": coding })).status, `${coding} ${path}`).toBe(415);
        }
      }
    });
  });

  test("F4: When YAML is made of aliases of aliases, or of anything that grows, then the import is refused, with memory flat", async () => {
    await fresh();
    const laughs = [
      "a: &a [x,x,x,x,x,x,x,x,x]",
      ..."bcdefghi".split("").map((name, n) => `${name}: &${name} [${Array(9).fill(`*${"abcdefgh"[n]}`).join(",")}]`),
    ].join("\n");
    await staysFlat(async () => {
      for (const body of [
        laughs,
        `a: &a\n  <<: *a`,
        `- &x [${"*x,".repeat(1000)}]`,
        "[".repeat(50_000),
        `${"- ".repeat(50_000)}x`,
        `? ${"? ".repeat(20_000)}`,
        `a: !!binary ${"A".repeat(900_000)}`,
        `{${"? a,".repeat(100_000)}}`,
      ]) {
        const { status } = await post("/api/v1/workflows/import", body, { "content-type": "application/yaml" });
        expect([400, 413, 422], body.slice(0, 20)).toContain(status);
      }
    }, FLAT_WITH_THREADS);
  });

  test("F4: When a form of many parts is sent, then no route reads forms: it is 400 or 422", async () => {
    await fresh();
    const part = `--b\r\ncontent-disposition: form-data; name="x"; filename="y"\r\n\r\n${"z".repeat(10)}\r\n`;
    for (const path of ["/api/v1/workflows", "/api/v1/workflows/import", "/api/v1/auth/login"]) {
      const { status } = await post(path, `${part.repeat(10_000)}--b--\r\n`, { "content-type": "multipart/form-data; boundary=b" });
      expect([400, 413, 422], path).toContain(status);
    }
  });
});

describe("headers and paths", () => {
  test("F4: When headers are larger than REQUEST_MAX_HEADER_BYTES, then it is 431; a huge path, query or count of parameters is refused or answered", async () => {
    await fresh();
    const ask = async (line: string, headers = "") => {
      const one = raw();
      one.socket.write(`${line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${user.accessToken}\r\nconnection: close\r\n${headers}\r\n`);
      const status = Number((await one.answered).split(" ")[1]);
      one.socket.destroy();
      return status;
    };
    expect(await ask("GET /api/v1/workflows", `x: ${"y".repeat(20_000)}\r\n`)).toBe(431);
    expect(await ask("GET /api/v1/workflows", "x: y\r\n".repeat(5_000))).toBe(431);
    expect(await ask(`GET /${"x".repeat(20_000)}`)).toBe(431);
    expect(await ask(`GET /api/v1/workflows?search=${"x".repeat(14_000)}`)).toBe(422);
    expect(await ask(`GET /api/v1/workflows?${"a=1&".repeat(3_500)}`)).toBe(422);
    expect(await ask(`GET /api/v1/workflows?${"tags=a,b&".repeat(1_500)}`)).toBeLessThan(500);
    expect(await ask(`GET /api/v1/workflows?limit=${"9".repeat(5_000)}`)).toBe(422);
    expect(await ask(`GET /${"a/".repeat(6_000)}`)).toBe(404);
    expect(await ask(`GET /${"%2e%2e%2f".repeat(1_500)}`)).toBe(404);
  });

  test("F4: When headers come byte by byte, then REQUEST_HEADERS_TIMEOUT_MS ends it; when a body does, REQUEST_TIMEOUT_MS; others are served meanwhile", async () => {
    await fresh();
    const slow = Array.from({ length: 50 }, (_, n) => {
      const one = raw();
      const isBody = n % 2 === 1;
      one.socket.write(isBody ? "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n" : "GET / HTTP/1.1\r\n");
      const drip = setInterval(() => one.socket.writable && one.socket.write(isBody ? " " : "x: y\r\n"), 100);
      return { isBody, closed: one.closed.finally(() => clearInterval(drip)) };
    });
    expect((await user.get("/api/v1/auth/me")).status).toBe(200);
    for (const { isBody, closed } of slow) {
      const limit = isBody ? REQUEST_TIMEOUT_MS : HEADERS_TIMEOUT_MS;
      const took = await closed;
      expect(took).toBeGreaterThan(limit - 100);
      expect(took).toBeLessThan(limit + SLACK_MS);
    }
  });
});

describe("streams", () => {
  test("F1: When the token of an open stream expires, then the stream ends; one of a key that is revoked as well", async () => {
    await fresh();
    const graph = {
      nodes: [
        { id: "start", type: "Start" },
        { id: "end", type: "End" },
      ],
      edges: [{ source: "start", target: "end" }],
    };
    const runId = await user.start(await user.saveWorkflow(graph));
    const openedAt = Date.now();
    expect(await user.stream(runId, 0, () => {})).toBe("ended");
    // Twelve seconds, five of tolerance, and the interval at which it is asked.
    expect(Date.now() - openedAt).toBeLessThan(20_000);
    await until("the tolerance for clocks is over, too", async () => (await user.get("/api/v1/auth/me")).status === 401);

    await fresh();
    const second = await user.start(await user.saveWorkflow(graph));
    const { body: key } = await user.post("/api/v1/api-keys", { name: "k" });
    const opened = Promise.withResolvers<void>();
    const held = new TestClient(url.href, String(key["key"])).stream(second, 0, () => opened.resolve());
    await opened.promise;
    await user.request("DELETE", `/api/v1/api-keys/${String(key["id"])}`);
    expect(await held).toBe("ended");
  });
});
