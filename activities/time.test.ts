import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { withinTime } from "./time.ts";

test("When a handler goes on listening to its signal, then what the attempt held can be collected all the same", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const held: WeakRef<object>[] = [];
  const attempt = async (): Promise<void> => {
    const cancellation = new AbortController();
    const big = { cancellation };
    held.push(new WeakRef(big));
    await withinTime(10_000, cancellation.signal, "node", async (signal) => signal.addEventListener("abort", () => void big));
  };
  for (let at = 0; at < 20; at++) await attempt();
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    collect();
  }
  expect(held.filter((each) => each.deref() !== undefined).length).toBeLessThan(3);
});
