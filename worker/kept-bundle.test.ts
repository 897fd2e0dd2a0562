import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { createTemporaryFolder } from "../tests/support/temporary-folder.ts";
import { bundleWorkflows } from "./bundle.ts";
import { type BundleFolders, keptBundle, OURS, SOURCES } from "./kept-bundle.ts";

let folders: BundleFolders;
let made: number;

const bundle = async (): Promise<string> =>
  (
    await keptBundle(async () => {
      made += 1;
      return { code: `bundle ${made}` };
    }, folders)
  ).code;

beforeEach(async () => {
  const { path } = await createTemporaryFolder();
  folders = { root: path, kept: join(path, "node_modules", ".cache", "perdure") };
  made = 0;
  for (const folder of [...SOURCES, "node_modules"]) await mkdir(join(path, folder));
  await writeFile(join(path, "workflows", "index.ts"), "export {};");
  await writeFile(join(path, "node_modules", ".package-lock.json"), "{}");
});

test("K5: When a worker starts again, then the bundle of the first is taken", async () => {
  expect([await bundle(), await bundle()]).toEqual(["bundle 1", "bundle 1"]);
});

test("K5: When a source or what is installed has changed, then no earlier bundle is taken", async () => {
  await bundle();
  for (const path of ["graph/new.ts", "workflows/index.ts", "node_modules/.package-lock.json", "package.json"]) {
    await writeFile(join(folders.root, path), `{"changed": "${path}"}`);
    expect(await bundle(), path).toBe(`bundle ${made}`);
    expect(await bundle(), path).toBe(`bundle ${made}`);
  }
  expect(made).toBe(5);
});

test("K5: When a bundle was not written to its end, or changed since, then it is made again", async () => {
  await bundle();
  const [name] = await readdir(folders.kept);
  const path = join(folders.kept, name ?? "");
  const whole = await readFile(path, "utf8");
  for (const text of [whole.slice(0, -1), whole.slice(0, 10), "", whole.replace("bundle", "bungle")]) {
    await writeFile(path, text);
    expect(await bundle()).toBe(`bundle ${made}`);
  }
  expect(made).toBe(5);
});

test("K5: When bundles cannot be kept, then the worker starts all the same", async () => {
  await writeFile(join(folders.root, "node_modules", ".cache"), "a file");
  expect([await bundle(), await bundle()]).toEqual(["bundle 1", "bundle 2"]);
});

test("K5: When many versions are tried, then only those made last are kept", async () => {
  const inOrder: string[] = [];
  for (let n = 0; n < 6; n++) {
    await writeFile(join(folders.root, "core", "x.ts"), `${n}`);
    await bundle();
    const [made = ""] = (await readdir(folders.kept)).filter((name) => !inOrder.includes(name));
    inOrder.push(made);
    const then = new Date(Date.now() - 60_000 + n * 1_000);
    await utimes(join(folders.kept, made), then, then);
  }
  expect((await readdir(folders.kept)).toSorted()).toEqual(inOrder.slice(-3).toSorted());
});

test("K5: What a bundle is made of is all looked at", async () => {
  const { code } = await bundleWorkflows();
  const map = JSON.parse(Buffer.from(code.slice(code.lastIndexOf("base64,") + "base64,".length), "base64").toString()) as { sources: string[] };
  const own = map.sources.filter((path) => path.startsWith(OURS.root)).map((path) => relative(OURS.root, path));
  expect(own.length).toBeGreaterThan(50);
  expect(own.filter((path) => ![...SOURCES, "node_modules"].includes(path.split("/")[0] ?? ""))).toEqual([]);
});
