import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const product = globSync("{core,graph,nodes,contract,platform,integrations,db,payloads,credentials,runs,workflows,activities,api,worker}/**/*.ts", {
  cwd: root,
})
  .filter((file) => !/\.test\.ts$|\/testing\/|\.gen\.ts$/.test(file))
  .map((file) => ({ file, text: readFileSync(new URL(`../${file}`, import.meta.url), "utf8") }));

/** Libraries that would open connections of their own, by what makes their client. */
const CLIENTS = [/new OpenAI\(/, /new Anthropic\(/, /new QdrantClient\(/];
/** What else in Node reaches out, beside the modules that the import rules name. */
const REACHES_OUT =
  /\b(globalThis|global)\.(fetch|WebSocket|EventSource)\b|process\.binding\(|\bimport\(\s*["'](node:)?(net|tls|dns|http|https|http2|dgram|undici)/;

describe("the one way out", () => {
  test("F4: When the product makes the client of an SDK, then it gives it a fetch of ours", () => {
    const made = product.filter(({ text }) => CLIENTS.some((client) => client.test(text)));
    expect(made.map(({ file }) => file)).toContain("integrations/models/openai.ts");
    for (const { file, text } of made) expect(/\bfetch(:|,)/.test(text), `${file} gives no fetch`).toBe(true);
  });

  test("F4: When a file reaches out, then it is in integrations/http", () => {
    expect(product.filter(({ file, text }) => REACHES_OUT.test(text) && !file.startsWith("integrations/http/")).map(({ file }) => file)).toEqual([]);
  });
});
