import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createProgress, paint, seconds } from "../infra/index.ts";
import { DataFolder } from "./data-folder.ts";
import { Installation } from "./installation.ts";
import { HELP, readOptions } from "./options.ts";
import { checkSettings } from "./settings.ts";
import { farewell, firstRun, summary } from "./summary.ts";

/** `npm start`: brings the parts up, keeps them up, takes them down. */
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const progress = createProgress();
const colour = paint();

let installation: Installation | undefined;
let stopping: Promise<never> | undefined;
let stopAsked = 0;
/** One Ctrl-C arrives more than once: from the terminal, and passed on by npm and the launcher. */
const SAME_KEY_MS = 1_000;

/** Idempotent: however many ways the news arrives. */
function stop(code: number): Promise<never> {
  stopAsked ||= Date.now();
  stopping ??= (async () => {
    await installation?.stop(progress).catch((error: unknown) => progress.line(String(error)));
    if (installation !== undefined && installation.processes.length > 0) progress.line(farewell(colour));
    process.exit(code);
  })();
  return stopping;
}

function stopOrKill(): void {
  if (stopping === undefined) void stop(0);
  else if (Date.now() - stopAsked > SAME_KEY_MS) {
    progress.line("  killing what is left");
    installation?.kill();
    process.exit(130);
  }
}

process.on("SIGINT", stopOrKill);
process.on("SIGTERM", () => void stop(0));
process.on("SIGHUP", () => void stop(0));
process.on("message", () => void stop(0));
process.on("disconnect", () => void stop(0));
process.channel?.unref();

try {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    progress.line(HELP);
    process.exit(0);
  }
  const settings = join(ROOT, ".env");
  if (existsSync(settings)) process.loadEnvFile(settings);
  checkSettings(process.env);
  const startedAt = Date.now();
  const folder = new DataFolder(process.env.PERDURE_DATA || join(ROOT, ".perdure"));
  progress.line(colour("bold", "Perdure") + colour("dim", ` – data in ${folder.path}`));
  installation = new Installation(folder, options);
  await installation.start(progress);
  if (stopping === undefined && !options.partial) await firstRun(installation, folder, progress, colour);
  if (stopping === undefined) progress.line(summary(installation, folder, options, colour, seconds(Date.now() - startedAt)));
} catch (error) {
  if (stopping === undefined) {
    progress.line(`\n${colour("red", error instanceof Error ? error.message : String(error))}`);
    await stop(1);
  }
}
