import { spawn } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../scripts/infra/index.ts";
import { lock } from "../../scripts/lock.mjs";

export const SCHEMATHESIS_VERSION = "4.32.5";

/** There is no schemathesis and none can be had; the message says why. */
export class NoSchemathesisError extends Error {}

const FOLDER = join(cacheFolder(), `schemathesis-${SCHEMATHESIS_VERSION}`);
const PROGRAM = join(FOLDER, "bin", "schemathesis");

/**
 * The path of the schemathesis program, installed from PyPI into a virtual environment in the cache where it is not there yet.
 * @throws NoSchemathesisError where python3 or its venv are missing, or PyPI is out of reach.
 */
export async function schemathesis(): Promise<string> {
  if (await works()) return PROGRAM;
  const release = await lock(`${FOLDER}.lock`);
  try {
    if (await works()) return PROGRAM;
    rmSync(FOLDER, { recursive: true, force: true });
    await step("python3", ["-m", "venv", FOLDER], "python3 with venv is needed");
    await step(join(FOLDER, "bin", "pip"), ["install", "--quiet", `schemathesis==${SCHEMATHESIS_VERSION}`], "it could not be installed from PyPI");
    return PROGRAM;
  } finally {
    release();
  }
}

async function works(): Promise<boolean> {
  return existsSync(PROGRAM) && (await run(PROGRAM, ["--version"])).code === 0;
}

async function step(program: string, args: readonly string[], what: string): Promise<void> {
  const { code, output } = await run(program, args);
  if (code === 0) return;
  rmSync(FOLDER, { recursive: true, force: true });
  throw new NoSchemathesisError(`Schemathesis ${SCHEMATHESIS_VERSION}: ${what}.\n${output.trim()}`);
}

/** @returns code 127 where the program does not exist. */
export function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", (error) => resolve({ code: 127, output: `${output}${error.message}` }));
    child.once("close", (code) => resolve({ code: code ?? 1, output }));
  });
}
