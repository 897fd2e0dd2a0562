import { type Client, createClient } from "#client";
import { COMMON_OPTIONS, type Command, type Context, type Terminal } from "./command.ts";
import { approve, reject } from "./commands/answer.ts";
import { login, logout, whoami } from "./commands/account.ts";
import { init } from "./commands/init.ts";
import { pull } from "./commands/pull.ts";
import { push } from "./commands/push.ts";
import { run } from "./commands/run.ts";
import { logs, runs } from "./commands/runs.ts";
import { UNNAMED, findAddress } from "./config.ts";
import { EXIT, type ExitCode, describeFailure, usage } from "./failure.ts";
import { fileSession } from "./sessions.ts";
import { escaped, legible, printable } from "./text.ts";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const COMMANDS: Readonly<Record<string, Command>> = { init, login, logout, whoami, push, pull, run, logs, runs, approve, reject };

/** Of each request, in milliseconds; shorter than what a lock of the session file lasts. */
const TIMEOUT_MS = 60_000;

export interface Surroundings {
  readonly args: readonly string[];
  readonly cwd: string;
  /** Where the user's sessions are kept. */
  readonly home: string;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/** Runs the command that the arguments name, and says how to end. Never throws. */
export async function runProgram({ args, cwd, home, terminal, signal }: Surroundings): Promise<ExitCode> {
  const [name, ...rest] = args;
  const common = parseArgs({ args: [...args], options: COMMON_OPTIONS, strict: false }).values;
  const isJson = common.json === true;
  let address = UNNAMED;
  try {
    const isHelp = name === "help" || name === "--help" || name === "-h";
    if (name === undefined || (isHelp && rest.length === 0)) {
      terminal.out(overview());
      return name === undefined ? EXIT.usage : EXIT.done;
    }
    if (name === "--version") {
      terminal.out(`${packageVersion()}\n`);
      return EXIT.done;
    }
    const asked = isHelp ? (rest[0] ?? "") : name;
    const command = Object.hasOwn(COMMANDS, asked) ? COMMANDS[asked] : undefined;
    if (!command) throw usage(`There is no command "${asked}". \`perdure help\` lists them.`);
    if (isHelp || common.help === true) {
      terminal.out(helpOf(asked, command));
      return EXIT.done;
    }
    // What `init` is about to write cannot be read yet.
    if (name !== "init") address = findAddress(cwd, typeof common.url === "string" ? common.url : undefined, terminal.env["PERDURE_URL"]);
    const { url } = address;
    let client: Client | undefined;
    const context: Context = {
      name,
      url,
      cwd,
      isJson,
      signal,
      terminal,
      get client() {
        client ??= clientOf(url, home, terminal);
        return client;
      },
      print: (lines, value) => terminal.out(isJson ? `${escaped(JSON.stringify(value))}\n` : `${legible([lines].flat().join("\n"), terminal)}\n`),
    };
    return await command.run(context, rest);
  } catch (error) {
    if (signal.aborted) return EXIT.interrupted;
    const { lines, json, exitCode } = describeFailure(error, address);
    terminal.err(isJson ? `${escaped(JSON.stringify({ error: json }))}\n` : `${printable(lines.join("\n"))}\n`);
    return exitCode;
  }
}

function clientOf(url: string, home: string, { env }: Terminal): Client {
  const token = env["PERDURE_TOKEN"];
  return createClient({ url, timeoutMs: TIMEOUT_MS, ...(token ? { token } : { session: fileSession(home, url) }) });
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }).version;
}

function overview(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  return [
    "perdure – durable AI workflows from the command line",
    "",
    ...Object.entries(COMMANDS).map(([name, { summary }]) => `  perdure ${name.padEnd(width)}  ${summary}`),
    "",
    "`perdure help <command>` says more. All take --url (else PERDURE_URL, else perdure.json here or above, else http://localhost:8000) and --json.",
    "PERDURE_TOKEN is used in place of a login. They end with 0: done, 1: failed, 2: called wrongly, 3: not signed in, 4: the API does not answer.",
    "",
  ].join("\n");
}

function helpOf(name: string, { summary, synopsis, help }: Command): string {
  return [`perdure ${name} ${synopsis}`.trimEnd(), "", `  ${summary}`, ...help.map((line) => `  ${line}`), ""].join("\n");
}
