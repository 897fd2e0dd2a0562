/** The `perdure` command: what it has of the process – arguments, environment, streams, signals – is given to the program from here. */
import { homedir } from "node:os";
import { join } from "node:path";
import { EXIT } from "./failure.ts";
import { runProgram } from "./program.ts";
import { terminalOf } from "./terminal.ts";

const { env, stdin, stdout, stderr } = process;
const interrupted = new AbortController();
process.once("SIGINT", () => {
  interrupted.abort(new Error("Interrupted."));
  // The second time at once.
  process.once("SIGINT", () => process.exit(EXIT.interrupted));
});
// Whoever reads may have seen enough (`| head`).
stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? EXIT.done : EXIT.failed));

process.exitCode = await runProgram({
  args: process.argv.slice(2),
  cwd: process.cwd(),
  home: join(env["XDG_CONFIG_HOME"] || join(homedir(), ".config"), "perdure"),
  terminal: terminalOf({ stdin, stdout, stderr }, env, interrupted),
  signal: interrupted.signal,
});
