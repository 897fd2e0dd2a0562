import type { RunEvent } from "#client";
import type { Context } from "./command.ts";
import { EventPrinter } from "./event-printer.ts";
import { EXIT, type ExitCode } from "./failure.ts";

/** Prints events as they come, with `--json` one JSON object a line; ends as the run did, where its end is among them. */
export async function printEvents({ isJson, terminal }: Context, events: AsyncIterable<RunEvent>): Promise<ExitCode> {
  const printer = new EventPrinter(terminal);
  let last: RunEvent | undefined;
  for await (const event of events) {
    last = event;
    if (isJson) terminal.out(`${JSON.stringify(event)}\n`);
    else printer.print(event);
  }
  return last?.kind === "error" ? EXIT.failed : EXIT.done;
}
