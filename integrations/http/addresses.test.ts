import { describe, expect, test } from "vitest";
import { addressPolicy } from "./addresses.ts";

const none = addressPolicy([]);

describe("addresses", () => {
  test.each([
    "127.0.0.1",
    "127.255.255.254",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "168.63.129.16",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::7f00:1",
    "::ffff:0:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "100::1",
    "4000::1",
    "localhost",
    "2130706433",
    "0x7f.1",
    "",
  ])("F4: When the address is %s, then it is out of reach", (address) => {
    expect(none.allowsAddress(address, 80)).toBe(false);
  });

  test.each(["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "::ffff:8.8.8.8"])(
    "When the address is %s, then it is public",
    (address) => {
      expect(none.allowsAddress(address, 443)).toBe(true);
    },
  );
});

describe("OUTBOUND_ALLOW", () => {
  test("When a CIDR is listed, then its addresses are in reach and no others", () => {
    const policy = addressPolicy(["10.0.0.0/8", "fd12::/16"]);
    expect(policy.allowsAddress("10.9.9.9", 80)).toBe(true);
    expect(policy.allowsAddress("::ffff:10.9.9.9", 80)).toBe(true);
    expect(policy.allowsAddress("fd12::5", 80)).toBe(true);
    expect(policy.allowsAddress("192.168.0.1", 80)).toBe(false);
  });

  test("When an address is listed with a port, then only that port is in reach", () => {
    const policy = addressPolicy(["127.0.0.1:9000", "[::1]:9000", "10.0.0.5"]);
    expect(policy.allowsAddress("127.0.0.1", 9000)).toBe(true);
    expect(policy.allowsAddress("127.0.0.1", 9001)).toBe(false);
    expect(policy.allowsAddress("::1", 9000)).toBe(true);
    expect(policy.allowsAddress("10.0.0.5", 1)).toBe(true);
  });

  test("When hosts are listed, then they match exactly or below a suffix", () => {
    const policy = addressPolicy(["Intranet", "*.corp.example", "api.local:8443"]);
    expect(policy.allowsHost("intranet", 80)).toBe(true);
    expect(policy.allowsHost("intranet.", 80)).toBe(true);
    expect(policy.allowsHost("a.b.corp.example", 80)).toBe(true);
    expect(policy.allowsHost("corp.example", 80)).toBe(false);
    expect(policy.allowsHost("evilcorp.example", 80)).toBe(false);
    expect(policy.allowsHost("api.local", 8443)).toBe(true);
    expect(policy.allowsHost("api.local", 80)).toBe(false);
  });

  test("When entries cannot be read, then all of them are named", () => {
    expect(() => addressPolicy(["10.0.0.0/99", "ok.example", "http://x", "host:99999"])).toThrow(/10\.0\.0\.0\/99, http:\/\/x, host:99999/);
  });
});
