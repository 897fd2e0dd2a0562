/**
 * A process with many connections to the hub, as many browsers would have them. Started with `<base> <token> <connections>`; takes commands as lines
 * on its standard input and answers with lines of JSON:
 * `open` → `{"open": n, "failed": n}`; `expect <round> <n>` → `{"round": …, "heard": n, "p50": ms, "p95": ms, "max": ms}` once n have heard it, or
 * 30 s are over; `pause` → one of them stops reading.
 */
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";

const TOPIC = "crowd";
const AT_ONCE = 100;
const HEARD_WITHIN_MS = 30_000;

const [base = "", token = "", wanted = "0"] = process.argv.slice(2);
const sockets = new Set<WebSocket>();
/** Milliseconds from sending to hearing, by round. */
const delays = new Map<number, number[]>();

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function hear(text: string, subscribed: () => void): void {
  const { type, data } = JSON.parse(text) as { type: string; data: { payload?: { round: number; at: number } } };
  if (type === "Subscribed") subscribed();
  if (type !== "Broadcast" || !data.payload) return;
  const { round, at } = data.payload;
  const heard = delays.get(round) ?? [];
  delays.set(round, heard);
  heard.push(Date.now() - at);
}

function connect(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${base.replace(/^http/, "ws")}/ws?token=${token}`, { perMessageDeflate: false });
    socket.on("open", () => socket.send(JSON.stringify({ type: "Subscribe", data: { topics: [TOPIC] } })));
    socket.on("message", (message: Buffer) =>
      hear(message.toString(), () => {
        sockets.add(socket);
        resolve(true);
      }),
    );
    socket.on("error", () => resolve(false));
    socket.on("close", () => sockets.delete(socket));
  });
}

async function open(): Promise<void> {
  let left = Number(wanted);
  let failed = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left > 0) {
        left--;
        if (!(await connect())) failed++;
      }
    }),
  );
  say({ open: sockets.size, failed });
}

async function expectRound(round: number, number: number): Promise<void> {
  const deadline = Date.now() + HEARD_WITHIN_MS;
  while ((delays.get(round)?.length ?? 0) < number && Date.now() < deadline) await pause(10);
  const sorted = (delays.get(round) ?? []).toSorted((a, b) => a - b);
  const at = (share: number): number | undefined => sorted[Math.ceil(sorted.length * share) - 1];
  say({ round, heard: sorted.length, p50: at(0.5), p95: at(0.95), max: sorted.at(-1) });
}

for await (const line of createInterface({ input: process.stdin })) {
  const [command, round, number] = line.split(" ");
  if (command === "open") await open();
  if (command === "expect") await expectRound(Number(round), Number(number));
  if (command === "pause") {
    const [first] = sockets;
    first?.send(JSON.stringify({ type: "Subscribe", data: { topics: ["flood"] } }));
    await pause(500);
    first?.pause();
    say({ paused: 1 });
  }
}
process.exit(0);
