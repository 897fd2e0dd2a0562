import { describe, expect } from "vitest";
import type { Exit, Server } from "../infra/index.ts";
import { verifies } from "../../tests/support/verifies.ts";
import { supervise } from "./supervise.ts";

/** A server that ends when told to. */
function fake(pid: number) {
  let end: (exit: Exit) => void = () => {};
  const exited = new Promise<Exit>((resolve) => (end = resolve));
  const stops = { count: 0 };
  const server: Server = {
    name: "part",
    url: "http://127.0.0.1:1",
    port: 1,
    pid,
    exited,
    async stop() {
      stops.count += 1;
      end({ code: 0, signal: null });
    },
  };
  return { server, stops, crash: () => end({ code: null, signal: "SIGKILL" }) };
}

describe("When a part is looked after", () => {
  verifies(["K5"], "When it ends by itself, then it is started again and both are said", async () => {
    const first = fake(1);
    const second = fake(2);
    const said: string[] = [];
    const back = Promise.withResolvers<void>();
    const supervised = supervise({
      name: "part",
      first: first.server,
      firstDelayMs: 1,
      restart: () => Promise.resolve(second.server),
      say: (line) => {
        said.push(line);
        if (line.includes("is back")) back.resolve();
      },
    });
    first.crash();
    await back.promise;
    expect(supervised.current.pid).toBe(2);
    expect(said[0]).toBe("part ended (signal SIGKILL), starting it again");
    await supervised.stop();
    expect(second.stops.count).toBe(1);
  });

  verifies(["K5"], "When a start fails, then it is tried again until it works", async () => {
    const first = fake(1);
    const second = fake(2);
    let tries = 0;
    const back = Promise.withResolvers<void>();
    const supervised = supervise({
      name: "part",
      first: first.server,
      firstDelayMs: 1,
      restart: () => (++tries < 3 ? Promise.reject(new Error("not yet")) : Promise.resolve(second.server)),
      say: (line) => line.includes("is back") && back.resolve(),
    });
    first.crash();
    await back.promise;
    expect(tries).toBe(3);
    await supervised.stop();
  });

  verifies(["K5"], "When it is stopped, then its end starts nothing", async () => {
    const first = fake(1);
    let restarts = 0;
    const supervised = supervise({
      name: "part",
      first: first.server,
      firstDelayMs: 1,
      restart: () => Promise.reject(new Error(`${++restarts}`)),
      say: () => {},
    });
    await supervised.stop();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect({ restarts, stops: first.stops.count }).toEqual({ restarts: 0, stops: 1 });
  });
});
