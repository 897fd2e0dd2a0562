import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from "node:zlib";
import { type Fence, fenceLoopback } from "#tests/loopback-only.ts";
import { type NameServer, startNameServer } from "#tests/name-server.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHttp, type Http, type HttpOptions } from "./index.ts";

/** Addresses of which none may be reached, as the system or a name server could tell them. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  loopback: ["127.0.0.1", "127.1.2.3", "127.255.255.254", "::1"],
  "this network": ["0.0.0.0", "0.1.2.3", "::"],
  private: ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.255.255"],
  "carrier-grade NAT": ["100.64.0.1", "100.127.255.254"],
  "link-local": ["169.254.0.1", "169.254.255.254", "fe80::1", "febf::1"],
  metadata: ["169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.169.253", "100.100.100.200", "168.63.129.16", "192.0.0.192"],
  "metadata, IPv6": ["fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:42::42"],
  "unique local": ["fc00::1", "fdff:ffff::1"],
  "site-local": ["fec0::1", "feff::1"],
  multicast: ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
  "reserved and broadcast": ["240.0.0.1", "255.255.255.254", "255.255.255.255"],
  "protocol assignments": ["192.0.0.1", "192.0.0.9", "192.0.0.170", "192.88.99.1", "192.31.196.1", "192.52.193.1", "192.175.48.1"],
  documentation: ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1", "3fff:fff::1"],
  benchmarking: ["198.18.0.1", "198.19.255.254", "2001:2::1"],
  "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "0:0:0:0:0:ffff:a9fe:a9fe"],
  "IPv4-compatible": ["::127.0.0.1", "::7f00:1", "::8.8.8.8", "::a9fe:a9fe"],
  "IPv4-translated": ["::ffff:0:127.0.0.1", "::ffff:0:7f00:1", "::ffff:0:8.8.8.8"],
  NAT64: ["64:ff9b::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "64:ff9b:1:ffff:ffff:ffff:7f00:1"],
  "6to4": ["2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1"],
  Teredo: ["2001::1", "2001:0:4136:e378:8000:63bf:80ff:fffe"],
  ISATAP: ["2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a9fe:a9fe", "2606:4700::5efe:127.0.0.1"],
  "special purposes": ["100::1", "2001:1::1", "2001:3::1", "2001:4:112::1", "2001:10::1", "2001:20::1", "2001:30::1", "2620:4f:8000::1", "5f00::1"],
  unassigned: ["4000::1", "8000::1", "f000::1"],
  "with a zone": ["fe80::1%lo", "fe80::1%1", "2606:4700::1111%eth0"],
};

/** Ways to write an address of the loopback or of a metadata service in a URL. */
const SPELLINGS = [
  "http://127.1/",
  "http://127.0.1/",
  "http://2130706433/",
  "http://0x7f000001/",
  "http://0x7f.0x0.0x0.0x1/",
  "http://0177.0.0.1/",
  "http://00000177.0.0.01/",
  "http://0x7f.1/",
  "http://017700000001/",
  "http://0/",
  "http://0.0/",
  "http://0x0/",
  "http://2852039166/",
  "http://0xa9fea9fe/",
  "http://0251.0376.0251.0376/",
  "http://169.254.43518/",
  "http://169.16689662/",
  "http://127.0.0.1./",
  "http://１２７.０.０.１/",
  "http://①②⑦.⓪.⓪.①/",
  "http://127。0。0。1/",
  "http://127．0．0．1/",
  "http://%31%32%37.0.0.1/",
  "http://[::ffff:7f00:1]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[0000:0000:0000:0000:0000:0000:0000:0001]/",
  "http://[::1]./",
  "http://[::1%25lo]/",
  "http://[fe80::1%25eth0]/",
  "http://[::127.0.0.1]/",
  "http://[64:ff9b::169.254.169.254]/",
  "http://[fd00:ec2::254]/latest/meta-data/",
  "http://127.0.0.1:65536/",
  "http://127.0.0.1\\@public.test/",
  "http://public.test@127.0.0.1/",
  "http://public.test:80@127.0.0.1/",
  "http://127.0.0.1#@public.test/",
  "http://127.0.0.1?@public.test/",
  "http:127.0.0.1/",
  "http:/127.0.0.1/",
  "http:\\\\127.0.0.1/",
  "http:///127.0.0.1/",
  "\thttp://127.0.0.1/",
  "ht\ntp://127.0.0.1/",
  "http://127.0.0\n.1/",
  "https://127.0.0.1/",
];

const SCHEMES = [
  "file:///etc/passwd",
  "ftp://127.0.0.1/",
  "gopher://127.0.0.1:6379/_INFO",
  "dict://127.0.0.1:11211/stat",
  "ldap://127.0.0.1/",
  "unix:/var/run/docker.sock",
  "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
  "data:text/plain,hello",
  "blob:http://127.0.0.1/x",
  "javascript:1",
  "ws://127.0.0.1/",
  "jar:http://127.0.0.1!/",
  "//127.0.0.1/",
  "127.0.0.1",
  "",
];

const ORGANIZATION = "018f0000-0000-7000-8000-00000000000a";
const OTHER = "018f0000-0000-7000-8000-00000000000b";

let fence: Fence;
let names: NameServer;
let server: Server;
let port: number;
/** `METHOD host path` of what arrived. */
const arrived: string[] = [];
const opened: Http[] = [];

/** A body that would be 16 MiB. */
const ZEROS = Buffer.alloc(16 * 1024 * 1024);
const bombs: Record<string, () => Buffer> = {
  gzip: () => gzipSync(ZEROS),
  br: () => brotliCompressSync(ZEROS, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
  zstd: () => zstdCompressSync(ZEROS),
  "gzip, gzip": () => gzipSync(gzipSync(ZEROS)),
  "gzip, br": () => brotliCompressSync(gzipSync(ZEROS)),
};

function answer(path: string, response: ServerResponse): void {
  const [, kind = "", rest = ""] = /^\/([a-z]+)\/?(.*)$/.exec(path) ?? [];
  if (kind === "to") response.writeHead(Number(rest.slice(0, 3)), { location: decodeURIComponent(rest.slice(4)) }).end();
  else if (kind === "bomb") {
    const coding = decodeURIComponent(rest);
    response.writeHead(200, { "content-encoding": coding }).end(bombs[coding]?.());
  } else if (kind === "drip") {
    response.writeHead(200);
    const timer = setInterval(() => response.write("x"), 10);
    response.on("close", () => clearInterval(timer));
  } else if (kind === "headers") {
    response.writeHead(200, { "x-large": "x".repeat(100_000) }).end();
  } else if (kind === "silent") {
    response.writeHead(200).write("x");
  } else response.end("here");
}

beforeAll(async () => {
  server = createServer((request, response) => {
    arrived.push(`${request.method} ${request.headers.host} ${request.url}`);
    answer(request.url ?? "", response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ({ port } = server.address() as AddressInfo);
  names = await startNameServer({
    "allowed.test": [["127.0.0.1"]],
    // A public address among private ones is not enough, in any order and family.
    "mixed.test": [["203.0.113.1", "127.0.0.1"]],
    "mixed-families.test": [["127.0.0.1", "::1"]],
    "six.test": [["::1"]],
    "metadata.test": [["169.254.169.254"]],
    // Answers the check with one address and whoever asks again with another.
    "rebinding.test": [["127.0.0.1"], ["127.0.0.2"], ["169.254.169.254"]],
    "rebinding-later.test": [["127.0.0.1"], ["10.0.0.1"]],
    "gone.test": [[]],
  });
  fence = fenceLoopback();
});
afterAll(async () => {
  await Promise.all(opened.map((http) => http.close()));
  server.closeAllConnections();
  server.close();
  await names.close();
  fence.remove();
});

function http(options: Partial<HttpOptions> = {}): Http {
  const made = createHttp({ allow: [], resolve: (name) => names.resolve(name), ...options });
  opened.push(made);
  return made;
}

function send(client: Http, url: string, more: Partial<Parameters<Http["request"]>[0]> = {}) {
  const spec = { tenantId: ORGANIZATION, method: "GET", url, headers: {}, timeoutMs: 5_000, followRedirects: true, verifyTls: true, ...more };
  return client.request(spec, new AbortController().signal);
}

/** Sends, and gives what arrived meanwhile. */
async function arrivals(work: () => Promise<unknown>): Promise<readonly string[]> {
  const before = arrived.length;
  await work();
  return arrived.slice(before);
}

const refusal = { code: "outbound.refused", retryable: false };
const listedHere = (host = "allowed.test") => ({ allow: [`${host}:${port}`] });

describe("addresses", () => {
  const table = Object.entries(REFUSED).flatMap(([kind, addresses]) => addresses.map((address) => ({ kind, address })));

  test.each(table)(
    "F4: When a name has the $kind address $address, then it is refused, alone or among others, for a node and for an SDK",
    async ({ address }) => {
      for (const found of [[address], ["127.0.0.9", address]]) {
        const client = http({ allow: ["127.0.0.9"], resolve: async () => found.map((each) => ({ address: each, family: each.includes(":") ? 6 : 4 })) });
        const there = await arrivals(async () => {
          for (const url of [`http://name.test:${port}/`, `https://name.test/`]) await expect(send(client, url)).rejects.toMatchObject(refusal);
          await expect(client.guardedFetch(ORGANIZATION)(`http://name.test:${port}/`)).rejects.toMatchObject({ cause: refusal });
        });
        expect(there).toEqual([]);
      }
    },
  );

  test.each(table.filter(({ address }) => !address.includes("%")))(
    "F4: When a URL names the $kind address $address, then it is refused",
    async ({ address }) => {
      await expect(send(http(), `http://${address.includes(":") ? `[${address}]` : address}:${port}/`)).rejects.toMatchObject(refusal);
    },
  );

  test.each(SPELLINGS)("F4: When the URL is %j, then it is refused", async (url) => {
    expect(await arrivals(() => expect(send(http(), url.replace(/(?<=\d)\/$/, `:${port}/`))).rejects.toMatchObject({ code: "outbound.refused" }))).toEqual([]);
    await expect(send(http(), url)).rejects.toMatchObject(refusal);
  });

  test.each(SCHEMES)("F4: When the URL is %j, then its scheme is refused", async (url) => {
    await expect(send(http({ allow: ["127.0.0.1"] }), url)).rejects.toMatchObject(refusal);
  });

  test("F4: When the operator allows a name or a network, then no metadata address hides behind it; when that very address is listed, then it is reached", () => {
    const reaches = (allow: string[]) => send(http({ allow, resolve: async () => [{ address: "169.254.169.254", family: 4 }] }), "http://name.test:1/");
    return Promise.all([["name.test"], ["*.test"], ["169.254.0.0/16"], ["0.0.0.0/0"]].map((allow) => expect(reaches(allow)).rejects.toMatchObject(refusal)));
  });

  test("F4: When one port is allowed, then no other is", async () => {
    await expect(send(http({ allow: ["127.0.0.1:1"] }), `http://127.0.0.1:${port}/`)).rejects.toMatchObject(refusal);
    expect((await send(http({ allow: [`127.0.0.1:${port}`] }), `http://127.0.0.1:${port}/`)).status).toBe(200);
  });
});

describe("names", () => {
  test.each(["mixed.test", "mixed-families.test", "six.test", "metadata.test"])("F4: When %s is asked of a name server, then it is refused", async (name) => {
    expect(await arrivals(() => expect(send(http(), `http://${name}:${port}/`)).rejects.toMatchObject(refusal))).toEqual([]);
  });

  test.each(["localhost", "LOCALHOST.", "sub.localhost"])("F4: When the name is %s, then what it resolves to decides", async (name) => {
    await expect(send(http({ resolve: async () => [{ address: "127.0.0.1", family: 4 }] }), `http://${name}:${port}/`)).rejects.toMatchObject(refusal);
  });

  test("F4: When a name is rebound between check and connection, then it is asked once and the checked address is the one connected to", async () => {
    const asked = names.asked.length;
    expect((await send(http({ allow: ["127.0.0.1"] }), `http://rebinding.test:${port}/`)).status).toBe(200);
    expect(names.asked.slice(asked)).toEqual(["rebinding.test"]);
  });

  test("F4: When a name is rebound between two requests or two hops, then a new connection is checked again", async () => {
    const first = http({ allow: ["127.0.0.1"] });
    expect((await send(first, `http://rebinding-later.test:${port}/`)).status).toBe(200);
    expect(await arrivals(() => expect(send(http({ allow: ["127.0.0.1"] }), `http://rebinding-later.test:${port}/`)).rejects.toMatchObject(refusal))).toEqual(
      [],
    );
  });

  test("F4: When a name has no address, then nothing is sent", async () => {
    for (const name of ["gone.test", "unknown.test"]) await expect(send(http(), `http://${name}/`)).rejects.toMatchObject({ code: "network.unreachable" });
  });
});

describe("redirects", () => {
  const to = (status: number, location: string) => `http://allowed.test:${port}/to/${status}/${encodeURIComponent(location)}`;

  test.each([301, 302, 303, 307, 308])("F4: When a %i leads to what is refused, then it is not followed, however it is written", async (status) => {
    const client = http(listedHere());
    for (const location of [
      "http://127.0.0.1:1/",
      `http://[::1]:${port}/`,
      `//127.0.0.1:${port}/`,
      `http://metadata.test/`,
      "http://0x7f.1/",
      "file:///etc/passwd",
      "gopher://127.0.0.1/",
    ]) {
      const there = await arrivals(() => expect(send(client, to(status, location)), location).rejects.toMatchObject(refusal));
      expect(there).toHaveLength(1);
    }
  });

  test("F4: When a chain of redirects ends at what is refused, then its last hop is not made", async () => {
    const chain = [1, 2, 3].reduce((next) => to(302, next), "http://169.254.169.254/latest/meta-data/");
    expect(await arrivals(() => expect(send(http(listedHere()), chain)).rejects.toMatchObject(refusal))).toHaveLength(3);
  });

  test("F4: When an SDK is redirected, then it gets the redirect and nothing is followed", async () => {
    const response = await http(listedHere()).guardedFetch(ORGANIZATION)(to(302, "http://169.254.169.254/"));
    expect(response.status).toBe(302);
  });

  test("F4: When a request names another host in a header, then the one that was checked is asked", async () => {
    const there = await arrivals(() => send(http(listedHere()), `http://allowed.test:${port}/x`, { headers: { Host: "internal.test" } }));
    expect(there).toEqual([`GET allowed.test:${port} /x`]);
  });
});

describe("organizations", () => {
  test("F4: When the operator opens an address to one organization, then no other reaches it, not even over its connection", async () => {
    const client = http({ allow: [`${ORGANIZATION}=127.0.0.1:${port}`] });
    const url = `http://127.0.0.1:${port}/`;
    expect((await send(client, url)).status).toBe(200);
    await expect(send(client, url, { tenantId: OTHER })).rejects.toMatchObject(refusal);
    await expect(client.guardedFetch(OTHER)(url)).rejects.toMatchObject({ cause: refusal });
    expect((await client.guardedFetch(ORGANIZATION)(url)).status).toBe(200);
  });

  test("F4: When an organization names its hosts, then it reaches those alone, at each hop, and the list opens nothing", async () => {
    const hosts: Record<string, string[] | null> = { [ORGANIZATION]: ["allowed.test", "127.0.0.1"], [OTHER]: null };
    const client = http({
      ...listedHere(),
      allow: [`allowed.test:${port}`, `more.test:${port}`],
      hostsOf: async (tenant) => hosts[tenant] ?? null,
      resolve: async () => [{ address: "127.0.0.1", family: 4 }],
    });
    const at = (host: string, path = "") => `http://${host}:${port}/${path}`;
    expect((await send(client, at("allowed.test"))).status).toBe(200);
    for (const url of [at("more.test"), at("127.0.0.1"), at("allowed.test", `to/302/${encodeURIComponent(at("more.test"))}`)]) {
      await expect(send(client, url), url).rejects.toMatchObject(refusal);
    }
    await expect(client.guardedFetch(ORGANIZATION)(at("more.test"))).rejects.toMatchObject(refusal);
    expect((await send(client, at("more.test"), { tenantId: OTHER })).status).toBe(200);
  });

  test("F4: When the list cannot be read, then nothing is sent", async () => {
    const client = http({ ...listedHere(), hostsOf: () => Promise.reject(new Error("the database is away")) });
    expect(await arrivals(() => expect(send(client, `http://allowed.test:${port}/`)).rejects.toThrow())).toEqual([]);
  });
});

describe("limits", () => {
  test.each(Object.keys(bombs))("F4: When a body is a bomb in %s, then it is not blown up, for a node and for an SDK", async (coding) => {
    const client = http({ ...listedHere(), maxResponseBytes: 1_000_000 });
    const url = `http://allowed.test:${port}/bomb/${encodeURIComponent(coding)}`;
    await expect(send(client, url)).rejects.toMatchObject({ code: "output.too_large" });
    await expect(
      client
        .guardedFetch(ORGANIZATION)(url)
        .then((response) => response.arrayBuffer()),
    ).rejects.toMatchObject({ code: "output.too_large" });
  });

  test("F4: When a server sends byte after byte for ever, then the time limit is of the whole exchange", async () => {
    await expect(send(http(listedHere()), `http://allowed.test:${port}/drip`, { timeoutMs: 300 })).rejects.toMatchObject({ code: "network.timed_out" });
  });

  test("F4: When a server falls silent and the call has no time limit, then OUTBOUND_IDLE_TIMEOUT_MS ends it", async () => {
    const client = http({ ...listedHere(), idleTimeoutMs: 300 });
    const response = await client.guardedFetch(ORGANIZATION)(`http://allowed.test:${port}/silent`);
    await expect(response.text()).rejects.toThrow();
  });

  test("F4: When the headers of an answer are huge, then it is not taken", async () => {
    await expect(send(http(listedHere()), `http://allowed.test:${port}/headers`)).rejects.toMatchObject({ code: "network.unreachable" });
  });
});
