/**
 * `npm run new:node -- <name> <category> <kind>`: writes a node type, its test, and the registries.
 * Name in PascalCase (`SlackMessage`), category a folder of `nodes/`, kind `inline` or `activity`.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { generate } from "./gen.ts";

const KINDS = ["inline", "activity"] as const;
type Kind = (typeof KINDS)[number];

/** The new files by path relative to the project. @throws an Error that says what is wrong with the arguments. */
export function scaffold(name: string | undefined, category: string | undefined, kind: string | undefined): Map<string, string> {
  if (!name || !/^[A-Z][A-Za-z0-9]*$/.test(name)) throw new Error("The name must be PascalCase, like SlackMessage.");
  if (!category || !/^[a-z][a-z-]*$/.test(category)) throw new Error("The category must be a folder name, like tools.");
  if (!KINDS.includes(kind as Kind)) throw new Error(`The kind must be one of: ${KINDS.join(", ")}.`);
  const file = name.replace(/([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])/g, "$1$3-$2$4").toLowerCase();
  const identifier = name.charAt(0).toLowerCase() + name.slice(1);
  const display = file.replaceAll("-", " ").replace(/^./, (first) => first.toUpperCase());
  const folder = `nodes/${category}`;
  return new Map([
    [`${folder}/${file}.ts`, kind === "inline" ? inlineSource(name, category, display) : activitySource(name, category, display)],
    [`${folder}/${file}.test.ts`, kind === "inline" ? inlineTest(name, file, identifier) : activityTest(name, file, identifier)],
  ]);
}

function inlineSource(name: string, category: string, display: string): string {
  return `import { z } from "zod";
import { defineNode } from "../define.ts";
import { text } from "../inputs.ts";

export default defineNode({
  kind: "inline",
  type: "${name}",
  category: "${category}",
  displayName: "${display}",
  description: "Hands on the text it is given.",
  inputs: z.object({
    text: text().describe("What is handed on."),
  }),
  outputs: z.object({ text: z.string().describe("The text.") }),
  run: ({ text }) => ({ value: { text } }),
});
`;
}

function activitySource(name: string, category: string, display: string): string {
  return `import { z } from "zod";
import { defineNode } from "../define.ts";
import { text } from "../inputs.ts";

export default defineNode({
  kind: "activity",
  type: "${name}",
  category: "${category}",
  displayName: "${display}",
  description: "Fetches a page and hands on its status.",
  inputs: z.object({
    url: text().describe("Where to."),
  }),
  outputs: z.object({ status: z.number().int().describe("HTTP status.") }),
  policy: { timeout: "1m" },
  effect: "at_least_once",
  run: async ({ url }, { tenantId, services, signal }) => {
    const spec = { tenantId, method: "GET", url, headers: {}, timeoutMs: 30_000, followRedirects: true, verifyTls: true };
    const { status } = await services.http.request(spec, signal);
    return { value: { status } };
  },
});
`;
}

function inlineTest(name: string, file: string, identifier: string): string {
  return `import { expect, test } from "vitest";
import ${identifier} from "./${file}.ts";

test("When ${name} is given a text, then it hands it on", () => {
  expect(${identifier}.run(${identifier}.inputs.parse({ text: "hello" }), { input: null }).value).toEqual({ text: "hello" });
});
`;
}

function activityTest(name: string, file: string, identifier: string): string {
  return `import { expect, test } from "vitest";
import type { ActivityContext } from "../define.ts";
import ${identifier} from "./${file}.ts";

test("When ${name} fetches a page, then it hands on the status", async () => {
  const services = { http: { request: () => Promise.resolve({ status: 204, headers: {}, body: new Uint8Array(), url: "" }) } };
  const context = { tenantId: "t", signal: new AbortController().signal, services } as unknown as ActivityContext;
  const { value } = await ${identifier}.run(${identifier}.inputs.parse({ url: "https://example.com" }), context);
  expect(value).toEqual({ status: 204 });
});
`;
}

if (import.meta.main) {
  const root = join(import.meta.dirname, "..");
  const [name, category, kind] = process.argv.slice(2);
  try {
    const files = scaffold(name, category, kind);
    for (const [path, content] of files) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content, { flag: "wx" });
    }
    for (const [path, content] of await generate(root)) await writeFile(join(root, path), content);
    const test = [...files.keys()].find((path) => path.endsWith(".test.ts"));
    process.stdout.write(`Written: ${[...files.keys()].join(", ")} and the registries.
Next: say what it does in the first, try it with \`npm test -- ${test}\`, and start again: api and worker read the registries when they start.
`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\nUsage: npm run new:node -- <Name> <category> <inline|activity>\n`);
    process.exitCode = 1;
  }
}
