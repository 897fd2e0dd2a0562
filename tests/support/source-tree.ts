import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface SourceTree {
  root: string;
  /** Changes a file, which must hold `from`. */
  change(file: string, from: string, to: string): Promise<void>;
  remove(): Promise<void>;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A copy of what `deploy/Dockerfile` puts into the image, and nothing else of the sources. */
export async function imageTree(): Promise<SourceTree> {
  const dockerfile = await readFile(join(ROOT, "deploy", "Dockerfile"), "utf8");
  const last = dockerfile.slice(dockerfile.lastIndexOf("\nFROM "));
  const root = await mkdtemp(join(tmpdir(), "perdure-image-"));
  for (const [, arguments_ = ""] of last.matchAll(/^COPY (?!--from)(.+)$/gm)) {
    const sources = arguments_.split(" ");
    const target = sources.pop() ?? "";
    for (const source of sources) await cp(join(ROOT, source), target === "./" ? join(root, source) : join(root, target), { recursive: true });
  }
  await symlink(join(ROOT, "node_modules"), join(root, "node_modules"));
  return {
    root,
    async change(file, from, to) {
      const path = join(root, file);
      const text = await readFile(path, "utf8");
      if (!text.includes(from)) throw new Error(`${file} does not hold ${JSON.stringify(from)}`);
      await writeFile(path, text.replaceAll(from, to));
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
}
