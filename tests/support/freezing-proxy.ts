import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface FreezingProxy {
  address: string;
  /** From now on nothing passes, in either direction; connections stay open. */
  freeze(): void;
  close(): Promise<void>;
}

/** Stands between a process and a server, so that a test can hold back exactly what the process says after a certain moment. */
export async function startFreezingProxy(target: string): Promise<FreezingProxy> {
  const [host, port] = target.split(":") as [string, string];
  const sockets = new Set<Socket>();
  let frozen = false;
  const server = createServer((near) => {
    const far = connect(Number(port), host);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (chunk) => {
        if (!frozen) to.write(chunk);
      });
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    freeze: () => {
      frozen = true;
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
