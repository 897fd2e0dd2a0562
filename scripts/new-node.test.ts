import { execFileSync } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scaffold } from "./new-node.ts";

const root = join(import.meta.dirname, "..");

describe("scaffold", () => {
  test.each([
    ["SlackMessage", "slack-message"],
    ["HTTPPing", "http-ping"],
    ["Rss2Feed", "rss2-feed"],
    ["Echo", "echo"],
  ])("When the name is %s, then the file is %s.ts", (name, file) => {
    expect([...scaffold(name, "tools", "inline").keys()]).toEqual([`nodes/tools/${file}.ts`, `nodes/tools/${file}.test.ts`]);
  });

  test.each([
    ["slack", "tools", "inline"],
    ["Slack", "../x", "inline"],
    ["Slack", "tools", "magic"],
    [undefined, undefined, undefined],
  ])("When it is given %s %s %s, then it says what is wrong", (name, category, kind) => {
    expect(() => scaffold(name, category, kind)).toThrow(/must be/);
  });
});

describe("in a copy of the project", () => {
  let copy: string;
  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), "new-node-"));
    for (const folder of ["nodes", "core", "graph", "builder", "contract", "client", "docs", "scripts", "telemetry"])
      await cp(join(root, folder), join(copy, folder), { recursive: true });
    await cp(join(root, "package.json"), join(copy, "package.json"));
    await cp(join(root, "tsconfig.json"), join(copy, "tsconfig.json"));
    await symlink(join(root, "node_modules"), join(copy, "node_modules"));
  });
  afterAll(() => rm(copy, { recursive: true, force: true }));

  const node = (...parameters: string[]) => execFileSync(process.execPath, parameters, { cwd: copy, encoding: "utf8", stdio: "pipe" });

  test.each([
    ["EchoText", "inline"],
    ["PingPage", "activity"],
  ])("When %s is made, then it stands in the registries and loads", async (name, kind) => {
    const said = node("scripts/new-node.ts", name, "made-up", kind);
    const [, file = ""] = /`npm test -- (\S+)`, and start again/.exec(said) ?? [];
    expect(await readFile(join(copy, file), "utf8")).toContain(`When ${name}`);
    expect(node("scripts/gen.ts", "--check")).toContain("fresh");
    expect(await readFile(join(copy, "nodes/registry.gen.ts"), "utf8")).toContain("made-up");
    const found = node(
      "--input-type=module",
      "-e",
      `const { nodeDefinition, describeNode } = await import("#nodes"); console.log(describeNode(nodeDefinition("${name}")).kind)`,
    );
    expect(found.trim()).toBe(kind);
    const inline = await readFile(join(copy, "nodes/inline.gen.ts"), "utf8");
    expect(inline.includes(`"${name}"`)).toBe(kind === "inline");
  });

  test("When a registry is stale, then the check fails and says what to run", async () => {
    await writeFile(join(copy, "nodes/inline.gen.ts"), "// old\n");
    expect(() => node("scripts/gen.ts", "--check")).toThrow(/Stale: nodes\/inline\.gen\.ts\. Run: npm run gen/);
  });

  test("When two files declare one name, then both are named", async () => {
    await cp(join(copy, "nodes/data/set.ts"), join(copy, "nodes/data/set-again.ts"));
    expect(() => node("scripts/gen.ts")).toThrow(/"Set" is declared twice: in nodes\/data\/set-again\.ts and nodes\/data\/set\.ts/);
  });
});
