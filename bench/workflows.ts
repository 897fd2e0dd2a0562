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
