import type { MiddlewareHandler } from "hono";
import ipaddr from "ipaddr.js";
import { BoundedCache } from "../bounded-cache.ts";
import type { ApiEnv } from "../context.ts";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Prefix of an IPv6 network that one subscriber gets whole. */
const SUBSCRIBER_BITS = 64;

/**
 * Says where a request comes from: the peer, or, where the peer is one of `trustedProxies` (addresses and CIDRs), the last address of
 * `X-Forwarded-For` that is not. What stands before that was written by the caller and is not believed.
 */
export function locate(trustedProxies: readonly string[]): MiddlewareHandler<ApiEnv> {
  const trusted = trustedProxies.map((text) => (text.includes("/") ? ipaddr.parseCIDR(text) : wholeAddress(text)));
  const isTrusted = (address: Address): boolean => trusted.some((range) => range[0].kind() === address.kind() && address.match(range));
  return (c, next) => {
    if (c.env?.inner) {
      c.set("address", c.env.inner.address);
      return next();
    }
    const peer = c.env?.incoming?.socket.remoteAddress ?? "";
    let client = parsed(peer);
    if (client && isTrusted(client)) {
      for (const text of (c.req.header("x-forwarded-for") ?? "").split(",").toReversed()) {
        const before = parsed(text.trim());
        if (!before) break;
        client = before;
        if (!isTrusted(client)) break;
      }
    }
    c.set("address", client?.toString() ?? peer);
    return next();
  };
}

/** What a limit counts as one caller: an IPv4 address, or the network of an IPv6 address. */
export function networkOf(text: string): string {
  const address = parsed(text);
  if (address?.kind() !== "ipv6") return address?.toString() ?? text;
  return ipaddr.IPv6.networkAddressFromCIDR(`${address.toString()}/${SUBSCRIBER_BITS}`).toString();
}

/** Whether an address is one of these addresses, or in one of these CIDRs. What is neither holds nobody. */
export function isWithin(text: string, ranges: readonly string[]): boolean {
  const address = parsed(text);
  return (
    address !== undefined &&
    ranges.some((range) => {
      if (!(range.includes("/") ? ipaddr.isValidCIDR(range) : ipaddr.isValid(range))) return false;
      const [network, bits] = range.includes("/") ? ipaddr.parseCIDR(range) : wholeAddress(range);
      return network.kind() === address.kind() && address.match([network, bits] as [Address, number]);
    })
  );
}
/** Addresses that were read lately: most requests come from one that was here before. */
const known = new BoundedCache<string, { address: Address | undefined }>(1_000);
/** Longer text is no address, and is not kept. */
const ADDRESS_MAX_LENGTH = 64;

/** IPv4 written as IPv6 is IPv4. */
function parsed(text: string): Address | undefined {
  if (text.length > ADDRESS_MAX_LENGTH) return undefined;
  const kept = known.get(text);
  if (kept) return kept.address;
  const address = ipaddr.isValid(text) ? ipaddr.process(text) : undefined;
  known.set(text, { address });
  return address;
}

function wholeAddress(text: string): [Address, number] {
  const address = ipaddr.process(text);
  return [address, address.kind() === "ipv4" ? 32 : 128];
}
