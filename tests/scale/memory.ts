import type { RunningProcess } from "../support/processes.ts";
import { until } from "../support/until.ts";

export interface Memory {
  /** What its heaps hold after their garbage has been collected, in bytes. */
  heap: number;
  /** Of the whole process, native code included, in bytes. */
  rss: number;
}

/** Arguments of a process whose memory can be asked for. */
export const MEASURED = ["--import", new URL("measure-heaps.ts", import.meta.url).href];

/** Asks a measured process for its memory; it stands still meanwhile. */
export async function memoryOf(worker: RunningProcess): Promise<Memory> {
  const told = (): Memory[] =>
    worker
      .logs()
      .split("\n")
      .filter((line) => line.startsWith('{"memory"') && line.endsWith("}"))
      .map(read);
  const before = told().length;
  process.kill(worker.pid, "SIGUSR2");
  await until("the memory of the process", () => told().length > before, 60_000);
  return told().at(-1) as Memory;
}

function read(line: string): Memory {
  return (JSON.parse(line) as { memory: Memory }).memory;
}

export function inMegabytes({ heap, rss }: Memory): string {
  return `heap ${(heap / 1e6).toFixed(1)} MB, rss ${(rss / 1e6).toFixed(1)} MB`;
}
