import { expect, test } from "vitest";
import { oneByOne } from "./one-by-one.ts";

/** What follows from a result, some promises later. */
async function follow(result: Promise<string>, seen: string[], promises: number): Promise<void> {
  const name = await result.catch((error: Error) => error.message);
  seen.push(`${name} came`);
  for (let n = 0; n < promises; n++) await Promise.resolve();
  seen.push(`${name} done`);
}

async function seenWith(inTurn: <T>(result: Promise<T>) => Promise<T>, settle: (settles: (() => void)[]) => Promise<void>): Promise<string[]> {
  const seen: string[] = [];
  const [a, b, c] = [Promise.withResolvers<string>(), Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  const all = Promise.all([follow(inTurn(a.promise), seen, 12), follow(inTurn(b.promise), seen, 5), follow(inTurn(c.promise), seen, 1)]);
  await settle([() => b.resolve("b"), () => a.reject(new Error("a")), () => c.resolve("c")]);
  await all;
  return seen;
}

const together = async (settles: (() => void)[]) => settles.forEach((settle) => settle());
const apart = async (settles: (() => void)[]) => {
  for (const settle of settles) {
    settle();
    await new Promise((resolve) => setImmediate(resolve));
  }
};

test("A10: When results come together, then what follows from each happens before the next, as when they come one after the other", async () => {
  const expected = ["b came", "b done", "a came", "a done", "c came", "c done"];
  expect(await seenWith(oneByOne(), apart)).toEqual(expected);
  expect(await seenWith(oneByOne(), together)).toEqual(expected);
  expect(await seenWith((result) => result, together), "without it they mix").not.toEqual(expected);
});

test("A9 A10: When a result comes together with something else, then what follows from that happens first, whichever came first", async () => {
  const seen: string[] = [];
  const inTurn = oneByOne();
  const [result, update] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  const all = Promise.all([follow(inTurn(result.promise), seen, 1), follow(update.promise, seen, 12)]);
  result.resolve("result");
  update.resolve("update");
  await all;
  expect(seen).toEqual(["update came", "update done", "result came", "result done"]);
});
