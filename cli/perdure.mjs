#!/usr/bin/env node
// The `perdure` command. Plain JavaScript: an older Node hands over to the one that npm brought, which runs TypeScript.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 18)) {
  // Node 22 and 23 warn of what is stable by now.
  process.removeAllListeners("warning");
  module.enableCompileCache(join(here, "..", "node_modules", ".cache", "perdure"));
  await import("./main.ts");
} else {
  const node = join(here, "..", "node_modules", `node-${process.platform}-${process.arch}`, "bin", "node");
  if (existsSync(node)) {
    const { status } = spawnSync(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" });
    process.exitCode = status ?? 1;
  } else {
    process.stderr.write(`perdure needs Node 22.18 or later; this is ${process.versions.node}. See https://nodejs.org/en/download.\n`);
    process.exitCode = 2;
  }
}
