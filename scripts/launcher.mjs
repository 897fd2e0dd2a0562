import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { lock } from "./lock.mjs";

/**
 * What `npm start` and `npm test` share: install what the lock file names, then go on with a Node that runs TypeScript. Plain JavaScript
 * without dependencies, for Node 20 and later.
 */

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const OLDEST_NODE = [20, 0];
/** From here on Node runs TypeScript files directly. */
const TYPESCRIPT_NODE = [22, 18];
const REPORT_MS = 5_000;
const FRAME_MS = 250;
const PARENT_POLL_MS = 1_000;

/**
 * Installs, then runs the TypeScript program with the arguments of this process, passes signals on, and ends as it ended. Never returns.
 * @param {string} program Path from the project's root.
 */
export async function launch(program) {
  try {
    if (!isAtLeast(process.versions.node, OLDEST_NODE)) {
      throw new Error(`Node ${process.versions.node} is too old: Perdure needs Node ${OLDEST_NODE[0]} or later. See https://nodejs.org/en/download.`);
    }
    await install();
    run(typescriptNode(), program);
  } catch (error) {
    process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

/** `npm ci`, when node_modules is not what package-lock.json says. One at a time in a folder; a second waits and finds it done. */
async function install() {
  if (isInstalled()) return;
  const place = createHash("sha256")
    .update(`${ROOT}\0${process.getuid?.() ?? ""}`)
    .digest("hex")
    .slice(0, 16);
  const release = await lock(join(tmpdir(), `perdure-install-${place}.lock`), ({ pid }) =>
    process.stdout.write(`  … process ${pid} is installing packages here, waiting\n`),
  );
  try {
    if (!isInstalled()) await npmCi();
  } finally {
    release();
  }
}

/** Compares what npm noted in node_modules after its last complete run with the lock file; packages for other systems may be absent. */
function isInstalled() {
  const noted = packagesOf(join(ROOT, "node_modules", ".package-lock.json"));
  const wanted = packagesOf(join(ROOT, "package-lock.json"));
  if (wanted === undefined) throw new Error("package-lock.json is missing or broken. Get it back with `git checkout package-lock.json`.");
  if (noted === undefined) return false;
  return Object.entries(wanted).every(([path, { version, integrity, optional, os, cpu, libc }]) => {
    if (path === "") return true;
    const found = noted[path];
    if (found === undefined) return optional === true && (os === undefined || libc !== undefined || !isForThisSystem(os, cpu));
    return found.version === version && found.integrity === integrity;
  });
}

/**
 * @param {string | string[] | undefined} os
 * @param {string | string[] | undefined} cpu
 */
function isForThisSystem(os, cpu) {
  const fits = (listed = [], value) => {
    const list = [listed].flat();
    return list.length === 0 || (list.some((entry) => !entry.startsWith("!")) ? list.includes(value) : !list.includes(`!${value}`));
  };
  return fits(os, process.platform) && fits(cpu, process.arch);
}

/** @param {string} file */
function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

/** No install script has to run: what PostgreSQL's package needs is done where it is started. */
async function npmCi() {
  const cli = process.env.npm_execpath;
  const [command, first] = cli?.endsWith(".js") && existsSync(cli) ? [process.execPath, [cli]] : ["npm", []];
  const startedAt = Date.now();
  let fetched = 0;
  const seconds = () => `${((Date.now() - startedAt) / 1000).toFixed(1)} s`;
  const terminal = process.stdout.isTTY === true;
  const say = () => `  … installing packages – ${fetched} fetched (${seconds()})`;
  const reporting = setInterval(() => process.stdout.write(terminal ? `\r\u001b[2K${say()}` : `${say()}\n`), terminal ? FRAME_MS : REPORT_MS);
  const output = [];
  const code = await new Promise((resolve, reject) => {
    const child = spawn(
      command,
      [...first, "ci", "--ignore-scripts", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--no-progress", "--loglevel=http"],
      {
        cwd: ROOT,
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    const read = (chunk) => {
      for (const line of String(chunk).split("\n")) {
        if (line.includes("http fetch")) fetched += 1;
        else if (line.trim() !== "" && !line.startsWith("npm warn") && !line.startsWith("npm http")) output.push(line);
      }
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("error", (error) =>
      reject(
        new Error(
          error.code === "ENOENT" ? "npm is not on your PATH; it comes with Node: https://nodejs.org/en/download." : `npm could not be run: ${error.message}`,
        ),
      ),
    );
    child.once("close", resolve);
  }).finally(() => {
    clearInterval(reporting);
    if (terminal) process.stdout.write("\r\u001b[2K");
  });
  if (code !== 0) {
    throw new Error(
      `Installing packages failed (npm ci, exit code ${code}):\n${output
        .slice(0, 15)
        .map((line) => `    ${line}`)
        .join("\n")}\nCheck the network and \`npm config get registry\`, then run the same command again.`,
    );
  }
  process.stdout.write(`  ✓ packages installed (${seconds()})\n`);
}

/** This Node if it runs TypeScript, else the one that npm brought. */
function typescriptNode() {
  if (isAtLeast(process.versions.node, TYPESCRIPT_NODE)) return process.execPath;
  const brought = join(ROOT, "node_modules", `node-${process.platform}-${process.arch}`, "bin", "node");
  if (existsSync(brought)) return brought;
  throw new Error(
    `Node ${process.versions.node} cannot run TypeScript, and npm has no newer one for ${process.platform}-${process.arch}. Install Node ${TYPESCRIPT_NODE.join(".")} or later (24 is best): https://nodejs.org/en/download.`,
  );
}

/**
 * @param {string} node
 * @param {string} program
 */
function run(node, program) {
  const child = spawn(node, ["--disable-warning=ExperimentalWarning", join(ROOT, program), ...process.argv.slice(2)], {
    cwd: ROOT,
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, PATH: [dirname(node), process.env.PATH].join(delimiter) },
  });
  // Told in words, since a terminal's Ctrl-C reaches the child by itself as well, and it takes a second signal as "at once".
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.connected && child.send({ stop: signal }));
  if (process.env.npm_lifecycle_event !== undefined) {
    const parent = process.ppid;
    setInterval(() => process.ppid !== parent && child.connected && child.disconnect(), PARENT_POLL_MS).unref();
  }
  child.once("error", (error) => {
    process.stderr.write(`\n${node} could not be run: ${error.message}\n`);
    process.exit(1);
  });
  child.once("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
}

/**
 * @param {string} version
 * @param {number[]} wanted
 */
function isAtLeast(version, [major = 0, minor = 0]) {
  const [foundMajor = 0, foundMinor = 0] = version.split(".").map(Number);
  return foundMajor > major || (foundMajor === major && foundMinor >= minor);
}
