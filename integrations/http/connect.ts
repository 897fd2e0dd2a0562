import { lookup as systemLookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { Agent, buildConnector } from "undici";
import { PerdureError } from "#core";
import type { AddressPolicy } from "./addresses.ts";

/** All addresses of a host. */
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>;
export interface ResolvedAddress {
  address: string;
  family: number;
}

export const resolveBySystem: Resolve = (hostname) => systemLookup(hostname, { all: true });

/** How long a connection may take to be made. The request's own time limit counts as well. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Shorter than servers usually keep an idle connection, so that a request is not sent on one they are closing. */
const KEEP_ALIVE_MS = 4_000;

/**
 * An agent whose every new connection is to an address that was checked: the name is resolved once, all its addresses are checked, and those
 * very addresses are connected to, so that a name that changes its mind in between gains nothing.
 */
export function guardedAgent(policy: AddressPolicy, resolve: Resolve, verifyTls: boolean, idleTimeoutMs: number): Agent {
  const connect: buildConnector.connector = (options, callback) => {
    const port = Number(options.port) || (options.protocol === "https:" ? 443 : 80);
    checkedAddresses(options.hostname, port, policy, resolve).then(
      (addresses) => {
        const connector = buildConnector({ timeout: CONNECT_TIMEOUT_MS, allowH2: false, rejectUnauthorized: verifyTls, lookup: pinned(addresses) });
        connector(options, callback);
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
    );
  };
  return new Agent({ connect, headersTimeout: idleTimeoutMs, bodyTimeout: idleTimeoutMs, keepAliveTimeout: KEEP_ALIVE_MS });
}

/** For what the operator has configured. Its connections are never shared with requests of graphs. */
export function trustedAgent(idleTimeoutMs: number): Agent {
  return new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS, allowH2: false },
    headersTimeout: idleTimeoutMs,
    bodyTimeout: idleTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
  });
}

/** @throws PerdureError `outbound.refused` when one of the addresses may not be reached. */
async function checkedAddresses(hostname: string, port: number, policy: AddressPolicy, resolve: Resolve): Promise<readonly ResolvedAddress[]> {
  const family = isIP(hostname);
  const addresses = family === 0 ? await resolve(hostname) : [{ address: hostname, family }];
  if (addresses.length === 0) throw Object.assign(new Error("no address"), { code: "ENOTFOUND" });
  const isAllowed = policy.allowsHost(hostname, port)
    ? ({ address }: ResolvedAddress) => !policy.isMetadata(address, port)
    : ({ address }: ResolvedAddress) => policy.allowsAddress(address, port);
  if (!addresses.every(isAllowed)) throw refused(hostname);
  return addresses;
}

function pinned(addresses: readonly ResolvedAddress[]): LookupFunction {
  return (_hostname, options, callback) => {
    const wanted = options.family === 4 || options.family === 6 ? addresses.filter(({ family }) => family === options.family) : addresses;
    const first = wanted[0];
    if (!first) callback(Object.assign(new Error("no address of that family"), { code: "ENOTFOUND" }), "");
    else if (options.all) callback(null, [...wanted]);
    else callback(null, first.address, first.family);
  };
}

export function refused(hostname: string): PerdureError {
  return new PerdureError("outbound.refused", `${hostname} is in a private or reserved network. The operator can allow it with OUTBOUND_ALLOW.`);
}
