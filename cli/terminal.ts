import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { text } from "node:stream/consumers";
import type { Terminal } from "./command.ts";

interface Streams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** The terminal or pipes of a process. */
export function terminalOf({ stdin, stdout, stderr }: Streams, env: Terminal["env"], interrupted: AbortController): Terminal {
  return {
    env,
    // https://no-color.org
    isColoured: stdout.isTTY && !env["NO_COLOR"],
    out: (line) => void stdout.write(line),
    err: (line) => void stderr.write(line),
    readInput: () => text(stdin),
    async ask(question, { isSecret = false } = {}) {
      if (!stdin.isTTY || !stderr.isTTY) return undefined;
      // What is typed is echoed by readline itself, into this.
      const echo = isSecret ? new Writable({ write: (_chunk, _encoding, done) => done() }) : stderr;
      const asking = createInterface({ input: stdin, output: echo, terminal: true });
      try {
        if (isSecret) stderr.write(question);
        // While readline listens, the terminal sends no signal.
        asking.once("SIGINT", () => interrupted.abort(new Error("Interrupted.")));
        const closed = new Promise<undefined>((resolve) => asking.once("close", () => resolve(undefined)));
        return await Promise.race([asking.question(isSecret ? "" : question, { signal: interrupted.signal }), closed]);
      } finally {
        asking.close();
        if (isSecret) stderr.write("\n");
      }
    },
  };
}
