import { curl, isDemoUsable, prepareDemo, runDemo } from "../demo/index.ts";
import type { Paint, Progress } from "../infra/index.ts";
import type { DataFolder } from "./data-folder.ts";
import type { Installation } from "./installation.ts";
import type { Options } from "./options.ts";

/** On the first start of a data folder: a user, an example, and a run of it to watch. What goes wrong here stops nothing. */
export async function firstRun(installation: Installation, folder: DataFolder, progress: Progress, colour: Paint): Promise<void> {
  const { apiUrl } = installation;
  if (apiUrl === undefined) return;
  const base = () => installation.apiUrl ?? apiUrl;
  try {
    const known = folder.demo;
    if (known !== undefined && (await isDemoUsable(base, known))) return;
    const demo = await progress.run(
      "demo user and example workflow",
      () => prepareDemo(base),
      ({ email }) => email,
    );
    folder.demo = demo;
    progress.line();
    progress.line(colour("bold", "  The example runs"));
    const run = await runDemo(base, demo, colour, (text) => process.stdout.write(text), new AbortController().signal);
    progress.line(`    ${colour("bold", "result")} ${JSON.stringify(run.outputs ?? run.error)}`);
    progress.line(`    ${colour("bold", "this run in Temporal")} ${colour("cyan", run.links.temporal_ui)}`);
  } catch (error) {
    progress.line(`  ${colour("yellow", `The example could not be shown: ${(error as Error).message}`)}`);
  }
}

/** What is where, and a command to paste. */
export function summary(installation: Installation, folder: DataFolder, options: Options, colour: Paint, took: string): string {
  const { apiUrl, temporalAddress, temporalUiUrl } = installation;
  const { demo } = folder;
  const row = (name: string, value: string) => `  ${name.padEnd(12)} ${colour("cyan", value)}`;
  const lines = ["", `${colour("bold", "Ready")} ${colour("dim", `after ${took}`)}`];
  if (apiUrl !== undefined) lines.push(row("API", apiUrl), row("API docs", `${apiUrl}/docs`));
  if (temporalUiUrl !== undefined) lines.push(row("Temporal UI", temporalUiUrl));
  if (temporalAddress) lines.push(row("Temporal", temporalAddress));
  if (!options.partial && demo !== undefined) lines.push(row("Demo user", `${demo.email}  ${demo.password}`));
  lines.push(row("Logs", `${folder.path}/logs`), row("Processes", installation.processes.map(({ part, pid }) => `${part} ${pid}`).join("  ")));
  if (!options.partial && demo !== undefined && apiUrl !== undefined) {
    lines.push("", colour("bold", "Run the example again"), curl(apiUrl, demo));
    const worker = installation.processes.find(({ part }) => part === "worker");
    if (worker !== undefined) lines.push("", `Kill the worker in the middle, and the run goes on: ${colour("bold", `kill -9 ${worker.pid}`)}`);
  }
  lines.push("", colour("dim", `Ctrl-C stops ${options.partial ? "what was started here" : "everything"}; the data stays.`));
  return lines.join("\n");
}

export function farewell(colour: Paint): string {
  return colour("dim", "Stopped. The data stays.");
}
