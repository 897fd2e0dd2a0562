import { condition } from "@temporalio/workflow";

export async function waits(): Promise<void> {
  await condition(() => false);
}

/** Leaves a rejection that nobody handles. */
export async function forgets(): Promise<void> {
  void Promise.reject(new Error("nobody looks"));
  await condition(() => false);
}
