import ipaddr from "ipaddr.js";

export type Address = ipaddr.IPv4 | ipaddr.IPv6;

export interface AllowedRange {
  base: Address;
  bits: number;
  /** The entry is one address, not a network. */
  single: boolean;
  port: number | undefined;
}

interface AllowedHost {
  host: string;
  /** `*.suffix`: any host below it. */
  below: boolean;
  port: number | undefined;
}

/** What a list of hosts, suffixes, addresses and networks names. */
export interface Entries {
  readonly ranges: readonly AllowedRange[];
  /** Entries that are none, as they were given. */
  readonly unreadable: readonly string[];
  /** Whether an entry names the host itself. */
  names(host: string, port: number): boolean;
}

/** @param entries `host`, `*.suffix` or an address, each with `:port` or without; networks as CIDR */
export function readEntries(entries: readonly string[]): Entries {
  const ranges: AllowedRange[] = [];
  const hosts: AllowedHost[] = [];
  const unreadable = entries.filter((entry) => !readEntry(entry.trim().toLowerCase(), ranges, hosts));
  return {
    ranges,
    unreadable,
    names: (host, port) => {
      const name = normalHost(host);
      return hosts.some((each) => (each.port === undefined || each.port === port) && (each.below ? name.endsWith(`.${each.host}`) : name === each.host));
    },
  };
}

function readEntry(entry: string, ranges: AllowedRange[], hosts: AllowedHost[]): boolean {
  if (entry.includes("/")) {
    if (!ipaddr.isValidCIDR(entry)) return false;
    const [base, bits] = ipaddr.parseCIDR(entry);
    ranges.push({ base, bits, single: false, port: undefined });
    return true;
  }
  const bare = parseAddress(entry);
  if (bare) {
    ranges.push(single(bare, undefined));
    return true;
  }
  const parts = /^(?<host>\[[0-9a-f:.]+\]|(?:\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?)\.?(?::(?<port>\d{1,5}))?$/.exec(entry)?.groups;
  if (!parts?.["host"]) return false;
  const port = parts["port"] === undefined ? undefined : Number(parts["port"]);
  if (port !== undefined && (port < 1 || port > 65_535)) return false;
  const literal = parseAddress(parts["host"].replace(/^\[|\]$/g, ""));
  if (literal) ranges.push(single(literal, port));
  else if (parts["host"].startsWith("[")) return false;
  else if (parts["host"].startsWith("*.")) hosts.push({ host: parts["host"].slice(2), below: true, port });
  else hosts.push({ host: parts["host"], below: false, port });
  return true;
}

function single(base: Address, port: number | undefined): AllowedRange {
  return { base, bits: base.kind() === "ipv4" ? 32 : 128, single: true, port };
}

/**
 * An IPv4 address inside an IPv6 one (`::ffff:127.0.0.1`) is that IPv4 address. Only the canonical four-part form is IPv4; `new URL` has made it so.
 * What has a zone (`%eth0`) is bound to a network of this machine, and `::1.2.3.4` means one thing to the library and another to the system: both are no
 * address.
 */
export function parseAddress(text: string): Address | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  if (text.includes("%") || /^::\d+\./.test(text) || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

export function normalHost(host: string): string {
  return host.toLowerCase().replace(/\.$/, "");
}
