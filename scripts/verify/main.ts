import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { envSchema } from "#platform";
import { createProgress, kill, paint } from "../infra/index.ts";
import { CHECKS, type Check } from "./checks.ts";
import { readCounts } from "./counts.ts";

/**
 * `npm test`: every check, then every test. With arguments, only vitest with those (`npm test -- graph/compile`); `--checks`: no tests.
 * Ends with one line of its own, `N passed, N failed`, in which a check counts like a test.
 */
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const progress = createProgress();
const colour = paint();
const running = new Set<ChildProcess>();
const args = process.argv.slice(2);
const checksOnly = args.includes("--checks");

function interrupt(): void {
  for (const { pid } of running) if (pid !== undefined) kill(-pid, "SIGKILL");
  process.exit(130);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "message", "disconnect"] as const) process.on(signal, interrupt);
process.channel?.unref();

let passed = 0;
let failed = 0;
if (args.length === 0 || checksOnly) {
  progress.line(colour("bold", "Checks"));
  const held = await Promise.all(CHECKS.map(runCheck));
  passed += held.filter(Boolean).length;
  failed += held.filter((holds) => !holds).length;
}
if (!checksOnly) {
  progress.line(colour("bold", "\nTests"));
  const counts = await runTests(args);
  passed += counts.passed;
  failed += counts.failed;
}
progress.line();
progress.line(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

async function runCheck({ title, command, args: checkArgs, repair }: Check): Promise<boolean> {
  const step = progress.step(title);
  const { code, output } = await run(command, checkArgs, false);
  if (code === 0) {
    step.done();
    return true;
  }
  step.failed(`repair: ${repair}`);
  progress.line(output.trimEnd());
  return false;
}

async function runTests(filters: readonly string[]): Promise<{ passed: number; failed: number }> {
  const folder = mkdtempSync(join(tmpdir(), "perdure-report-"));
  const report = join(folder, "report.json");
  try {
    const { code } = await run("vitest", ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...filters], true);
    return readCounts(report, code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** In a process group of its own, so that an interrupt reaches all of it; none of the user's own settings or keys get in. */
function run(command: string, commandArgs: readonly string[], show: boolean): Promise<{ code: number; output: string }> {
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: [dirname(process.execPath), join(ROOT, "node_modules", ".bin"), process.env.PATH].join(delimiter) };
  for (const name of Object.keys(envSchema.shape)) delete env[name];
  return new Promise((resolve) => {
    const child = spawn(command, commandArgs, { cwd: ROOT, env, detached: true, stdio: ["ignore", show ? "inherit" : "pipe", show ? "inherit" : "pipe"] });
    running.add(child);
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", (error) => {
      output += `${command} could not be run: ${error.message}`;
    });
    child.once("close", (code) => {
      running.delete(child);
      resolve({ code: code ?? 1, output });
    });
  });
}
