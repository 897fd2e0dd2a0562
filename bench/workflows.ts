/** The baseline: what one would write by hand for each shape, with nothing of ours in it. */
import { proxyActivities } from "@temporalio/workflow";
import type * as activities from "./activities.ts";

const { call } = proxyActivities<typeof activities>({ startToCloseTimeout: "1 minute", heartbeatTimeout: "30 seconds" });

export async function empty(inputs: unknown): Promise<unknown> {
  return inputs;
}

export async function tenInline(inputs: { n: number }): Promise<{ n: number }> {
  let value = inputs;
  for (let step = 0; step < 10; step++) value = { n: value.n + 1 };
  return value;
}

export async function tenCalls(url: string): Promise<unknown> {
  let answer: unknown;
  for (let step = 0; step < 10; step++) answer = await call(`${url}/${step}`);
  return answer;
}

export async function hundredCallsAtOnce(url: string): Promise<unknown> {
  return Promise.all(Array.from({ length: 100 }, (_nothing, n) => call(`${url}/${n}`)));
}

/** A call for each item, fifty at a time. */
export async function mapOfCalls({ url, items }: { url: string; items: number[] }): Promise<unknown[]> {
  const results: unknown[] = [];
  const rest = items.entries();
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      for (const [at, item] of rest) results[at] = await call(`${url}/${item}`);
    }),
  );
  return results;
}

export async function nestedLoops({ outer, inner }: { outer: number; inner: number }): Promise<unknown> {
  let value = { n: 0 };
  for (let turn = 0; turn < outer; turn++) for (let step = 0; step < inner; step++) value = { n: value.n + 1 };
  return value;
}
