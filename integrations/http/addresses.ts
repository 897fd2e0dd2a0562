import ipaddr from "ipaddr.js";
import { PerdureError } from "#core";
import { type Address, type AllowedRange, parseAddress, readEntries } from "./entries.ts";

/** Of what may be reached: addresses that are public, and what the operator allows besides. */
export interface AddressPolicy {
  /** Whether the operator named the host itself (`OUTBOUND_ALLOW`), so that its addresses may be private. */
  allowsHost(host: string, port: number): boolean;
  /** Whether an IP address may be connected to. Text that is no address may not. */
  allowsAddress(address: string, port: number): boolean;
  /** Whether it hands out a cloud machine's credentials, and no entry names that very address: a name or a network is not enough. */
  isMetadata(address: string, port: number): boolean;
}

/** Global unicast (RFC 4291): all that is assigned to public hosts today. */
const GLOBAL_V6: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("2000::"), 3];

/**
 * Services that clouds offer to each of their machines and to nobody else: of AWS (also DNS, time and ECS tasks), Google, Azure, Alibaba, Oracle. Some
 * of them are public by their range.
 */
const METADATA: ReadonlySet<string> = new Set(
  [
    "169.254.169.254",
    "169.254.169.253",
    "169.254.169.123",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:42::42",
  ].map((address) => ipaddr.parse(address).toNormalizedString()),
);

/**
 * @param allow hosts (`host`, `*.suffix`, each with `:port` or without), addresses and CIDRs
 * @throws PerdureError `configuration.invalid` that names every entry it cannot read.
 */
export function addressPolicy(allow: readonly string[]): AddressPolicy {
  const { ranges, unreadable, names } = readEntries(allow);
  if (unreadable.length > 0) {
    throw new PerdureError("configuration.invalid", `OUTBOUND_ALLOW takes hosts, *.suffixes and CIDRs; these are none: ${unreadable.join(", ")}.`);
  }
  const isListed = (address: Address, port: number, among: readonly AllowedRange[]): boolean =>
    among.some((range) => (range.port === undefined || range.port === port) && inRange(address, range));
  const singles = ranges.filter(({ single }) => single);
  const isMetadata = (address: Address, port: number): boolean => METADATA.has(address.toNormalizedString()) && !isListed(address, port, singles);
  return {
    allowsHost: names,
    allowsAddress: (text, port) => {
      const address = parseAddress(text);
      return address !== undefined && !isMetadata(address, port) && (isPublic(address) || isListed(address, port, ranges));
    },
    isMetadata: (text, port) => {
      const address = parseAddress(text);
      return address !== undefined && isMetadata(address, port);
    },
  };
}

function isPublic(address: Address): boolean {
  if (address.range() !== "unicast") return false;
  return address instanceof ipaddr.IPv4 || (address.match(GLOBAL_V6) && !isIsatap(address));
}

/** RFC 5214: the last 32 bits are an IPv4 address that the packet goes to, whatever the prefix. */
function isIsatap(address: ipaddr.IPv6): boolean {
  const [, , , , flags = 0, marker] = address.parts;
  return marker === 0x5efe && (flags & ~0x0300) === 0;
}

function inRange(address: Address, { base, bits }: AllowedRange): boolean {
  return address.kind() === base.kind() && address.match(base, bits);
}
