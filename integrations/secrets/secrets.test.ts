import { afterEach, describe, expect, test } from "vitest";
import { type CountingServer, startCountingServer } from "#tests/counting-server.ts";
import { openSecretStores } from "./index.ts";

const TOKEN = "hvs.root-token";
const closing: CountingServer[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((server) => server.close()));
});

/** What Vault answers to a read of a KV engine of version 2. */
async function fakeVault(secrets: Record<string, unknown>) {
  const server = await startCountingServer({
    reply({ method, path, headers }, response) {
      response.setHeader("content-type", "application/json");
      if (headers["x-vault-token"] !== TOKEN) return void response.writeHead(403).end(JSON.stringify({ errors: ["permission denied"] }));
      if (method !== "GET" || path !== "/v1/secret/data/apps/perdure") return void response.writeHead(404).end(JSON.stringify({ errors: [] }));
      response.end(JSON.stringify({ request_id: "r", lease_id: "", renewable: false, data: { data: secrets, metadata: { version: 3 } } }));
    },
  });
  closing.push(server);
  return server;
}

const open = (urls: string[], more: Partial<Parameters<typeof openSecretStores>[1]> = {}) =>
  openSecretStores(urls, {
    environment: (name) => ({ BOTH: "from the environment", ONLY_ENV: "e" })[name],
    token: TOKEN,
    namespace: undefined,
    cacheMs: 60_000,
    timeoutMs: 500,
    fetchOf: () => fetch,
    ...more,
  });

describe("stores of secrets", () => {
  test("F6: When nothing is said, then names come from the environment", async () => {
    const store = open(["env:"]);
    expect([await store.get("ONLY_ENV"), await store.get("NONE")]).toEqual(["e", undefined]);
  });

  test("F6: When a vault stands first, then its names come from it, the rest from the next; one question answers for all", async () => {
    const vault = await fakeVault({ BOTH: "from the vault", NUMBER: 5, NOTHING: null });
    const store = open([`vault:${vault.url}/secret/apps/perdure`, "env:"], { namespace: "team" });
    expect(await Promise.all(["BOTH", "ONLY_ENV", "NUMBER", "NOTHING"].map((name) => store.get(name)))).toEqual(["from the vault", "e", "5", undefined]);
    expect(vault.calls).toHaveLength(1);
    expect(vault.calls[0]?.headers).toMatchObject({ "x-vault-token": TOKEN, "x-vault-namespace": "team" });
  });

  test("F6: When what it said is too old, then the vault is asked again", async () => {
    const secrets = { NAME: "old" };
    const vault = await fakeVault(secrets);
    const store = open([`vault:${vault.url}/secret/apps/perdure`], { cacheMs: 0 });
    expect(await store.get("NAME")).toBe("old");
    secrets.NAME = "new";
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await store.get("NAME")).toBe("new");
  });

  test("F6 A16: When the vault refuses the token, is away or has nothing there, then it is a failure of its kind that shows no token", async () => {
    const vault = await fakeVault({ NAME: "v" });
    const refused = open([`vault:${vault.url}/secret/apps/perdure`], { token: "wrong-token" }).get("NAME");
    await expect(refused).rejects.toMatchObject({ code: "credential.rejected", message: expect.not.stringContaining("wrong-token") });
    await expect(open([`vault:${vault.url}/secret/other`]).get("NAME")).resolves.toBeUndefined();
    await expect(open(["vault:http://127.0.0.1:1/secret/x"]).get("NAME")).rejects.toMatchObject({ code: "network.unreachable", retryable: true });
  });

  test("F6: When a store is named wrongly, then the process says which entry, and not what it says", () => {
    for (const [urls, more] of [
      [["env:", "https://user:hunter2@x"], {}],
      [["vault:host/secret"], {}],
      [["vault:https://user:hunter2@host/secret/x"], {}],
      [["vault:https://host/secret/x"], { token: undefined }],
    ] as const) {
      expect(() => open([...urls], more)).toThrow(expect.objectContaining({ code: "configuration.invalid", message: expect.not.stringContaining("hunter2") }));
    }
  });
});
