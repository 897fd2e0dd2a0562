import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { RunEvent } from "#client";
import { type Context, defineCommand } from "../command.ts";
import { EXIT, Failure, usage } from "../failure.ts";
import { findWorkflow } from "../find.ts";
import { short } from "../text.ts";
import { printEvents } from "../watch.ts";

export const run = defineCommand({
  summary: "run a workflow",
  synopsis: "<id|name> [--input key=value]… [--inputs file|-] [--watch|--wait] [--version n] [--key key]",
  help: [
    "A value that is JSON is taken as such (n=3, ok=true, rows='[1,2]'), any other as text. --inputs reads a JSON object from a file, or from the",
    "standard input; --input adds to it. --watch shows the events live, --wait only the result; both end with 1 where the run does not complete.",
    "Ctrl-C leaves a run going. Runs of the same --key are one run.",
  ],
  options: {
    input: { type: "string", multiple: true, short: "i" },
    inputs: { type: "string" },
    watch: { type: "boolean", short: "w" },
    wait: { type: "boolean" },
    version: { type: "string" },
    key: { type: "string" },
  },
  arguments: [1, 1],
  async run(context, { input = [], inputs: file, watch, wait, version, key }, [idOrName = ""]) {
    const { client, signal } = context;
    const inputs = { ...(file === undefined ? {} : await readInputs(context, file)), ...Object.fromEntries(input.map(pair)) };
    const more = version === undefined ? {} : { version: versionOf(version) };
    const { id, name } = await findWorkflow(client, idOrName, signal);
    const started = await client.workflows.start(id, inputs, more, { signal, ...(key !== undefined && { idempotencyKey: key }) });
    const later = [`It goes on without this command: perdure logs ${started.id} --follow`];
    if (watch) return printEvents(context, untilLeft(context, client.runs.stream(started.id, { signal }), later), true);
    if (!wait) {
      context.print([`${name} runs as ${started.id}.`, `  perdure logs ${started.id} --follow`], started);
      return EXIT.done;
    }
    const ended = await client.runs.result(started.id, { signal }).catch((error: unknown) => {
      if (signal.aborted) context.terminal.err(`${later.join("\n")}\n`);
      throw error;
    });
    const outcome = ended.error
      ? `${ended.error.node_id ? `${ended.error.node_id}: ` : ""}${ended.error.message} (${ended.error.code})`
      : short(ended.outputs ?? "");
    context.print([`${ended.status} ${outcome}`.trimEnd(), `  ${started.id}`], ended);
    return ended.status === "completed" ? EXIT.done : EXIT.failed;
  },
});

async function* untilLeft({ signal, terminal }: Context, events: AsyncIterable<RunEvent>, lines: readonly string[]): AsyncGenerator<RunEvent, void, undefined> {
  try {
    yield* events;
  } catch (error) {
    if (signal.aborted) terminal.err(`${lines.join("\n")}\n`);
    throw error;
  }
}

async function readInputs({ cwd, terminal }: Context, file: string): Promise<Record<string, unknown>> {
  const text =
    file === "-"
      ? await terminal.readInput()
      : await readFile(resolve(cwd, file), "utf8").catch((error: Error) => {
          throw new Failure(`${file} cannot be read: ${error.message}`);
        });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Failure(`${file} is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Failure(`${file} must hold a JSON object.`);
  return value as Record<string, unknown>;
}

function pair(text: string): [string, unknown] {
  const at = text.indexOf("=");
  if (at < 1) throw usage(`--input ${text}: write key=value.`);
  const value = text.slice(at + 1);
  try {
    return [text.slice(0, at), JSON.parse(value)];
  } catch {
    return [text.slice(0, at), value];
  }
}

function versionOf(text: string): number {
  const version = Number(text);
  if (!Number.isInteger(version) || version < 1) throw usage("--version is a number from 1 on.");
  return version;
}
