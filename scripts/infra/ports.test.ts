import { createServer } from "node:net";
import { expect, test } from "vitest";
import { anyFreePort, isFree, nextFreePort } from "./ports.ts";

test("When a port is in use, then the next one is found", async () => {
  const port = await anyFreePort();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
  try {
    expect(await isFree(port)).toBe(false);
    expect(await nextFreePort(port)).toBeGreaterThan(port);
  } finally {
    await new Promise((resolve) => other.close(resolve));
  }
});

test("When the host is no address of this machine, then that is said, and not that ports are in use", async () => {
  await expect(nextFreePort(20_000, "192.0.2.1")).rejects.toThrow(/192\.0\.2\.1 \(EADDRNOTAVAIL\).*Check HOST/);
});
