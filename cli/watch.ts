import type { RunEvent } from "#client";
import type { Context } from "./command.ts";
import { EventPrinter } from "./event-printer.ts";
import { EXIT, type ExitCode } from "./failure.ts";
import { escaped } from "./text.ts";

/**
 * Prints events as they come, with `--json` one JSON object a line; ends as the run did, where its end is among them.
 * @param isLive - The run has just begun, so none of its events is old.
 */
export async function printEvents({ isJson, terminal }: Context, events: AsyncIterable<RunEvent>, isLive = false): Promise<ExitCode> {
  const printer = new EventPrinter(terminal, isLive);
  let last: RunEvent | undefined;
  for await (const event of events) {
    last = event;
    if (isJson) terminal.out(`${escaped(JSON.stringify(event))}\n`);
    else printer.print(event);
  }
  return last?.kind === "error" ? EXIT.failed : EXIT.done;
}
