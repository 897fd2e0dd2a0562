import { expect, test } from "vitest";
import { readEnv } from "./env.ts";

const provider = { id: "corp", issuer: "https://id.example.com/realm", client_id: "perdure", client_secret: "hunter2" };
const read = (value: unknown) => readEnv({ OIDC_PROVIDERS: typeof value === "string" ? value : JSON.stringify(value) }).OIDC_PROVIDERS;

test("D1: When providers are set, then they are read, with the scopes that tell who it is", () => {
  expect(read([provider])).toEqual([{ ...provider, scopes: "openid email profile" }]);
  expect(read([{ id: "here", issuer: "http://127.0.0.1:9000", client_id: "c", scopes: "openid" }])).toMatchObject([{ scopes: "openid" }]);
  expect(readEnv({}).OIDC_PROVIDERS).toEqual([]);
});

test.each([
  ["no JSON", "hunter2"],
  ["no list", provider],
  ["an issuer without TLS", [{ ...provider, issuer: "http://id.example.com" }]],
  ["an issuer with a query", [{ ...provider, issuer: "https://id.example.com?x" }]],
  ["no client", [{ ...provider, client_id: "" }]],
  ["an id that is no path", [{ ...provider, id: "../x" }]],
  ["scopes without openid", [{ ...provider, scopes: "email" }]],
  ["two of one id", [provider, provider]],
  ["a name it does not know", [{ ...provider, secret: "hunter2" }]],
])("D1: When providers are set with %s, then it is refused and no secret is shown", (_what, value) => {
  const refusal = (() => {
    try {
      read(value);
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  })();
  expect(refusal).toContain("OIDC_PROVIDERS");
  expect(refusal).not.toContain("hunter2");
});
