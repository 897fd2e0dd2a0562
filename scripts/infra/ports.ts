import { createServer } from "node:net";

const HOST = "127.0.0.1";
const STEPS = 100;
/** By another program, or kept for the administrator: the next port may be had. */
const TAKEN: ReadonlySet<string> = new Set(["EADDRINUSE", "EACCES"]);
/** Below the range that Linux (32768) and macOS (49152) take outgoing ports from, so that nobody is given one of ours by chance. */
const POOL = { first: 20_000, last: 31_999 };

export async function isFree(port: number, host: string = HOST): Promise<boolean> {
  return (await whyNot(port, host)) === undefined;
}

/** What keeps a server from listening there, as the system calls it; undefined where nothing does. */
function whyNot(port: number, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", ({ code = "unknown" }: NodeJS.ErrnoException) => resolve(code));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
}

/** The wished port, or the first free one after it. @throws an Error when a hundred in a row are taken, or `host` is not this machine's. */
export async function nextFreePort(wished: number, host: string = HOST): Promise<number> {
  for (let port = wished; port < wished + STEPS && port <= 65_535; port++) {
    const reason = await whyNot(port, host);
    if (reason === undefined) return port;
    if (!TAKEN.has(reason)) throw new Error(`Nothing can listen on ${host} (${reason}): it is no address of this machine. Check HOST.`);
  }
  throw new Error(`Ports ${wished} to ${Math.min(wished + STEPS - 1, 65_535)} are all in use. Name a free one.`);
}

/** A free port nobody asked for by number. `remembered` is taken when it is still free. */
export async function anyFreePort(remembered?: number): Promise<number> {
  if (remembered !== undefined && (await isFree(remembered))) return remembered;
  for (let attempt = 0; attempt < STEPS; attempt++) {
    const port = POOL.first + Math.floor(Math.random() * (POOL.last - POOL.first + 1));
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port was found between ${POOL.first} and ${POOL.last}.`);
}
