import ipaddr from "ipaddr.js";
import { PerdureError } from "#core";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Of what may be reached: addresses that are public, and what the operator allows besides. */
export interface AddressPolicy {
  /** Whether the operator named the host itself (`OUTBOUND_ALLOW`), so that its addresses are not looked at. */
  allowsHost(host: string, port: number): boolean;
  /** Whether an IP address may be connected to. Text that is no address may not. */
  allowsAddress(address: string, port: number): boolean;
}

interface AllowedRange {
  base: Address;
  bits: number;
  port: number | undefined;
}

interface AllowedHost {
  host: string;
  /** `*.suffix`: any host below it. */
  below: boolean;
  port: number | undefined;
}

/** Public by its range, but the metadata and DNS service of Azure's hosts. */
const AZURE_WIRE_SERVER = "168.63.129.16";
/** Global unicast (RFC 4291): all that is assigned to public hosts today. */
const GLOBAL_V6: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("2000::"), 3];

/**
 * @param allow hosts (`host`, `*.suffix`, each with `:port` or without), addresses and CIDRs
 * @throws PerdureError `configuration.invalid` that names every entry it cannot read.
 */
export function addressPolicy(allow: readonly string[]): AddressPolicy {
  const ranges: AllowedRange[] = [];
  const hosts: AllowedHost[] = [];
  const unreadable = allow.filter((entry) => !readEntry(entry.trim().toLowerCase(), ranges, hosts));
  if (unreadable.length > 0) {
    throw new PerdureError("configuration.invalid", `OUTBOUND_ALLOW takes hosts, *.suffixes and CIDRs; these are none: ${unreadable.join(", ")}.`);
  }
  return {
    allowsHost: (host, port) => {
      const name = normalHost(host);
      return hosts.some((each) => (each.port === undefined || each.port === port) && (each.below ? name.endsWith(`.${each.host}`) : name === each.host));
    },
    allowsAddress: (text, port) => {
      const address = parseAddress(text);
      if (!address) return false;
      return isPublic(address) || ranges.some((range) => (range.port === undefined || range.port === port) && inRange(address, range));
    },
  };
}

function readEntry(entry: string, ranges: AllowedRange[], hosts: AllowedHost[]): boolean {
  if (entry.includes("/")) {
    if (!ipaddr.isValidCIDR(entry)) return false;
    const [base, bits] = ipaddr.parseCIDR(entry);
    ranges.push({ base, bits, port: undefined });
    return true;
  }
  const bare = parseAddress(entry);
  if (bare) {
    ranges.push({ base: bare, bits: bare.kind() === "ipv4" ? 32 : 128, port: undefined });
    return true;
  }
  const parts = /^(?<host>\[[0-9a-f:.]+\]|(?:\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?)\.?(?::(?<port>\d{1,5}))?$/.exec(entry)?.groups;
  if (!parts?.["host"]) return false;
  const port = parts["port"] === undefined ? undefined : Number(parts["port"]);
  if (port !== undefined && (port < 1 || port > 65_535)) return false;
  const literal = parseAddress(parts["host"].replace(/^\[|\]$/g, ""));
  if (literal) ranges.push({ base: literal, bits: literal.kind() === "ipv4" ? 32 : 128, port });
  else if (parts["host"].startsWith("[")) return false;
  else if (parts["host"].startsWith("*.")) hosts.push({ host: parts["host"].slice(2), below: true, port });
  else hosts.push({ host: parts["host"], below: false, port });
  return true;
}

/** An IPv4 address inside an IPv6 one (`::ffff:127.0.0.1`) is that IPv4 address. Only the canonical four-part form is IPv4; `new URL` has made it so. */
export function parseAddress(text: string): Address | undefined {
  const plain = text.replace(/%.*$/, "");
  if (ipaddr.IPv4.isValidFourPartDecimal(plain)) return ipaddr.IPv4.parse(plain);
  if (!ipaddr.IPv6.isValid(plain)) return undefined;
  const address = ipaddr.IPv6.parse(plain);
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

function isPublic(address: Address): boolean {
  if (address.range() !== "unicast" || address.toString() === AZURE_WIRE_SERVER) return false;
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_V6);
}

function inRange(address: Address, { base, bits }: AllowedRange): boolean {
  return address.kind() === base.kind() && address.match(base, bits);
}

function normalHost(host: string): string {
  return host.toLowerCase().replace(/\.$/, "");
}
