import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import ipaddr from "ipaddr.js";

export interface NameServer {
  /** Asks this server alone, both families at once, as the system's resolver does. @throws with `ENOTFOUND` for a name it does not know. */
  resolve(name: string): Promise<{ address: string; family: number }[]>;
  /** Names that were asked for, one entry for each round. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

/** Answers of one name in turn, the last one for ever. */
export type Zone = Readonly<Record<string, readonly (readonly string[])[]>>;

const TYPE_A = 1;
const TYPE_AAAA = 28;
const NAME_ERROR = 3;

/** A DNS server on the loopback whose names change their addresses from one question to the next (time to live 0). */
export async function startNameServer(zone: Zone): Promise<NameServer> {
  const socket = createSocket("udp4");
  const rounds = new Map<string, number>();
  const asked: string[] = [];
  socket.on("message", (question, from) => {
    const { name, type, end } = readQuestion(question);
    const answers = zone[name];
    const round = Math.min(rounds.get(name) ?? 0, (answers?.length ?? 1) - 1);
    const addresses = (answers?.[round] ?? []).map((text) => ipaddr.parse(text)).filter((address) => (address.kind() === "ipv4" ? TYPE_A : TYPE_AAAA) === type);
    const header = Buffer.from(question.subarray(0, 12));
    header.writeUInt16BE(0x8180 | (answers ? 0 : NAME_ERROR), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(addresses.length, 6);
    header.writeUInt32BE(0, 8);
    const records = addresses.map((address) => {
      const bytes = Buffer.from(address.toByteArray());
      const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, bytes.length]);
      return Buffer.concat([head, bytes]);
    });
    socket.send(Buffer.concat([header, question.subarray(12, end), ...records]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const resolver = new Resolver({ timeout: 2_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  return {
    asked,
    async resolve(name) {
      const key = name.toLowerCase().replace(/\.$/, "");
      asked.push(key);
      const found = await Promise.allSettled([resolver.resolve4(key), resolver.resolve6(key)]);
      rounds.set(key, (rounds.get(key) ?? 0) + 1);
      const addresses = found.flatMap((each, index) =>
        each.status === "fulfilled" ? each.value.map((address) => ({ address, family: index === 0 ? 4 : 6 })) : [],
      );
      if (addresses.length === 0) throw Object.assign(new Error(`${name} is not known`), { code: "ENOTFOUND" });
      return addresses;
    },
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function readQuestion(message: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 };
}
