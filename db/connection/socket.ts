import net from "node:net";
import { connectionLost } from "./errors.ts";

/** Of one host. */
const CONNECT_TIMEOUT_MS = 5_000;

/** What the driver gives of its parsed URL. */
interface Target {
  host: string[];
  port: number[];
  /** Of a Unix socket. */
  path?: string | false;
}

/**
 * Opens the one socket that a client of the driver gets in its life. Left to itself the driver opens another whenever a server closes before
 * its first answer, without pause and without an end.
 */
export function openSocket(): (target: Target) => Promise<net.Socket> {
  let isSpent = false;
  return async ({ host, port, path }) => {
    if (isSpent) throw connectionLost("The database closed the connection before answering.");
    isSpent = true;
    if (path) return connected(net.connect(path));
    for (const [index, name] of host.entries()) {
      try {
        return Object.assign(await connected(net.connect({ host: name, port: port[index] ?? 5432 })), { host: name, port: port[index] });
      } catch (error) {
        if (index === host.length - 1) throw error;
      }
    }
    throw connectionLost("DATABASE_URL names no host.");
  };
}

function connected(socket: net.Socket): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => fail(connectionLost("The database did not answer in time.")), CONNECT_TIMEOUT_MS);
    socket.once("error", fail);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", fail);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}
