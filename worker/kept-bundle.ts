import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** All that the bundle may be made of: these folders, what is installed, and how imports are named. A test compares them with what it is made of. */
export const SOURCES = ["workflows", "core", "graph", "nodes", "payloads", "worker"] as const;
const SETTINGS = ["package.json", "node_modules/.package-lock.json"];
/** Those made last; each takes 5 MB. */
const KEPT = 3;
const DIGEST_LENGTH = 64;

export interface BundleFolders {
  /** Of the project. */
  root: string;
  /** Where bundles are kept; it need not exist, or be writable. */
  kept: string;
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));
export const OURS: BundleFolders = { root: ROOT, kept: join(ROOT, "node_modules", ".cache", "perdure") };

/**
 * The code of a bundle: what `make` gives, once for all that it is made of. Making it takes a worker more than a second of CPU, and as long until it
 * takes over from one that was killed. What is kept is used only where it is whole and every source is what it was.
 */
export async function keptBundle(make: () => Promise<{ code: string }>, { root, kept }: BundleFolders = OURS): Promise<{ code: string }> {
  const file = join(kept, `workflows-${await digestOfSources(root)}.js`);
  const code = await readWhole(file);
  if (code !== undefined) return { code };
  const made = await make();
  // A folder that cannot be written costs time only.
  await keep(kept, file, made.code).catch(() => undefined);
  return { code: made.code };
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Paths are part of a bundle: in its source map, which the SDK reads. */
async function digestOfSources(root: string): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify([root, process.version]));
  const paths = await Promise.all(
    SOURCES.map(async (folder) => {
      const inside = await readdir(join(root, folder), { recursive: true });
      return inside.filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts")).map((path) => join(folder, path));
    }),
  );
  const texts = await Promise.all([...paths.flat().sort(), ...SETTINGS].map(async (path) => [path, await textOf(join(root, path))]));
  return hash.update(JSON.stringify(texts)).digest("hex");
}

async function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

/** Undefined where there is none, or a process died while it wrote it. */
async function readWhole(file: string): Promise<string | undefined> {
  const text = await textOf(file);
  const code = text.slice(DIGEST_LENGTH);
  return code !== "" && digestOf(code) === text.slice(0, DIGEST_LENGTH) ? code : undefined;
}

async function keep(folder: string, file: string, code: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const unfinished = `${file}.${randomBytes(6).toString("hex")}`;
  await writeFile(unfinished, digestOf(code) + code);
  await rename(unfinished, file);
  const others = (await readdir(folder)).filter((name) => name.startsWith("workflows-")).map((name) => join(folder, name));
  const dated = await Promise.all(others.map(async (path) => ({ path, at: (await stat(path)).mtimeMs })));
  const old = dated.sort((a, b) => b.at - a.at).slice(KEPT);
  await Promise.all(old.map(({ path }) => rm(path, { force: true })));
}
