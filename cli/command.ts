import { type ParseArgsConfig, parseArgs } from "node:util";
import type { Client } from "#client";
import { type ExitCode, usage } from "./failure.ts";

/** What a command works with. Nothing else of the process is touched by one. */
export interface Context {
  /** The command's, as it was called. */
  readonly name: string;
  readonly url: string;
  readonly cwd: string;
  /** `--json`: what is printed is for a program. */
  readonly isJson: boolean;
  /** Signed in with what `login` stored, or with `PERDURE_TOKEN`. */
  readonly client: Client;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly terminal: Terminal;
  /** Prints the outcome: lines for a person, or with `--json` the value, on one line; nothing in either that a terminal would obey. */
  print(lines: string | readonly string[], value: unknown): void;
}

export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** All of the standard input. */
  readInput(): Promise<string>;
  /** Asks a person; undefined where there is none. */
  ask(question: string, options?: { isSecret?: boolean }): Promise<string | undefined>;
  readonly isColoured: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

type Options = NonNullable<ParseArgsConfig["options"]>;
type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O; allowPositionals: true }>>["values"];

export interface Command {
  readonly summary: string;
  /** What follows the name. */
  readonly synopsis: string;
  /** Lines of the help below the synopsis. */
  readonly help: readonly string[];
  readonly options: Options;
  run(context: Context, args: readonly string[]): Promise<ExitCode>;
}

interface Definition<O extends Options> {
  summary: string;
  synopsis: string;
  help?: readonly string[];
  options: O;
  /** Least and most arguments beside the options. */
  arguments: readonly [number, number];
  run(context: Context, values: Values<O>, positionals: readonly string[]): Promise<ExitCode>;
}

/** Taken by every command. */
export const COMMON_OPTIONS = {
  url: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const satisfies Options;

export function defineCommand<const O extends Options>(definition: Definition<O>): Command {
  const { summary, synopsis, help = [], options, run } = definition;
  const [least, most] = definition.arguments;
  return {
    summary,
    synopsis,
    help,
    options,
    run(context, args) {
      const { values, positionals } = parse(args, { ...COMMON_OPTIONS, ...options });
      if (positionals.length < least || positionals.length > most) throw usage(`It is called so: ${`perdure ${context.name} ${synopsis}`.trimEnd()}`);
      return run(context, values as Values<O>, positionals);
    },
  };
}

/** @throws Failure where an option is not known or lacks its value. */
export function parse<const O extends Options>(args: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw usage((error as Error).message);
  }
}
