import dns from "node:dns";
import net from "node:net";

/** A fence around a test of what must not be reached: whatever the product does, no connection of this process leaves the machine. */
export interface Fence {
  /** @throws an Error that names the addresses outside that somebody tried to reach meanwhile. */
  remove(): void;
}

interface Target {
  host?: string;
  path?: string;
  lookup?: net.LookupFunction;
}
type Connect = (this: net.Socket, ...args: unknown[]) => net.Socket;

const isLoopback = (address: string): boolean => address.startsWith("127.") || address === "::1" || address.startsWith("::ffff:127.");

/** Also an address that only the lookup of a connection comes to is refused; names are never asked of the system. */
export function fenceLoopback(): Fence {
  const escapes: string[] = [];
  const { connect } = net.Socket.prototype;
  const original = connect as unknown as Connect;
  const fenced: Connect = function fenced(...args) {
    const given = Array.isArray(args[0]) ? (args[0] as unknown[])[0] : args[0];
    const target = (typeof given === "object" && given !== null ? given : { host: typeof args[1] === "string" ? args[1] : "127.0.0.1" }) as Target;
    if (target.path) return original.apply(this, args);
    const host = target.host ?? "localhost";
    if (net.isIP(host) !== 0) {
      if (isLoopback(host)) return original.apply(this, args);
      escapes.push(host);
      queueMicrotask(() => this.destroy(new Error(`a test tried to reach ${host}`)));
      return this;
    }
    const lookup = target.lookup ?? (dns.lookup as unknown as net.LookupFunction);
    if (!target.lookup && host !== "localhost") {
      escapes.push(host);
      queueMicrotask(() => this.destroy(new Error(`a test tried to look ${host} up`)));
      return this;
    }
    target.lookup = (name, options, callback) => {
      lookup(name, options, (error, found, family) => {
        const addresses = typeof found === "string" ? [found] : (found ?? []).map(({ address }) => address);
        const outside = error ? [] : addresses.filter((address) => !isLoopback(address));
        escapes.push(...outside);
        if (outside.length > 0) callback(new Error(`a test tried to reach ${outside.join(", ")}`), "", 4);
        else callback(error, found, family);
      });
    };
    return original.apply(this, args);
  };
  net.Socket.prototype.connect = fenced as unknown as typeof connect;
  return {
    remove() {
      net.Socket.prototype.connect = connect;
      if (escapes.length > 0) throw new Error(`a test tried to reach ${escapes.join(", ")}`);
    },
  };
}
