import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../../cli/perdure.mjs", import.meta.url));
const WITHIN_MS = 60_000;

export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

export interface Running extends Promise<Ended> {
  readonly child: ChildProcess;
  /** What it has written to its standard output so far. */
  out(): string;
}

/** A user's shell in a folder of its own. */
export class CommandLine {
  readonly folder: string;
  readonly env: Record<string, string>;

  constructor(folder: string, env: Record<string, string> = {}) {
    this.folder = folder;
    this.env = { PATH: process.env["PATH"] ?? "", HOME: folder, XDG_CONFIG_HOME: `${folder}/config`, ...env };
  }

  /** Runs `perdure` with these arguments. */
  run(args: readonly string[], options: { input?: string; env?: Record<string, string>; cwd?: string } = {}): Running {
    const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: options.cwd ?? this.folder, env: { ...this.env, ...options.env }, timeout: WITHIN_MS });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    child.stdin.end(options.input ?? "");
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, out, err }));
    });
    return Object.assign(ended, { child, out: () => out });
  }

  /** What it prints with `--json`. @throws where it does not end with 0. */
  async json<T = Record<string, unknown>>(...args: readonly string[]): Promise<T> {
    const { code, out, err } = await this.run([...args, "--json"]);
    if (code !== 0) throw new Error(`perdure ${args.join(" ")} ended with ${code}: ${err}${out}`);
    return JSON.parse(out) as T;
  }
}
