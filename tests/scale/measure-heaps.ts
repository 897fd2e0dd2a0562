/**
 * Loaded into a worker process before anything of ours (`node --import`), and so into each of its threads but those of JSONata and Code, which take
 * no arguments and have limits of their own. On SIGUSR2 every heap collects its garbage and the process writes one line
 * `{"memory": {"heap": …, "rss": …}}`, in bytes; `heap` is what all these heaps hold together.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { BroadcastChannel, isMainThread } from "node:worker_threads";

/** A thread that does not answer within this, in milliseconds, is held to be ending. */
const ANSWER_WITHIN_MS = 10_000;

type Message = { kind: "here" } | { kind: "question"; question: number } | { kind: "answer"; question: number; heap: number };

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (options: { type: "major"; flavor: "last-resort" }) => void;
const channel = new BroadcastChannel("heaps");
channel.unref();

/**
 * Twice, since what the first collection frees may have held what only the second one can. As a last resort, since V8 otherwise keeps empty pages, a
 * hundred megabytes for each heap and more or fewer of them each time: what the process holds would say nothing of what it needs.
 */
function heapOfThisThread(): number {
  collect({ type: "major", flavor: "last-resort" });
  collect({ type: "major", flavor: "last-resort" });
  return process.memoryUsage().heapUsed;
}

if (isMainThread) listenForSignals();
else {
  listen((message) => {
    if (message.kind === "question") say({ kind: "answer", question: message.question, heap: heapOfThisThread() });
  });
  say({ kind: "here" });
}

/** Keeps no thread alive. */
function listen(hear: (message: Message) => void): void {
  channel.addEventListener("message", (event) => hear((event as unknown as { data: Message }).data));
  channel.unref();
}

function say(message: Message): void {
  channel.postMessage(message);
}

function listenForSignals(): void {
  let threads = 0;
  let questions = 0;
  let answers: number[] = [];
  let tell: (() => void) | undefined;
  listen((message) => {
    if (message.kind === "here") threads++;
    if (message.kind !== "answer" || message.question !== questions) return;
    answers.push(message.heap);
    if (answers.length >= threads) tell?.();
  });
  process.on("SIGUSR2", () => {
    questions++;
    answers = [];
    tell = () => {
      tell = undefined;
      clearTimeout(timer);
      const heap = answers.reduce((sum, bytes) => sum + bytes, heapOfThisThread());
      process.stdout.write(`${JSON.stringify({ memory: { heap, rss: process.memoryUsage.rss() } })}\n`);
    };
    const timer = setTimeout(() => tell?.(), ANSWER_WITHIN_MS);
    say({ kind: "question", question: questions });
    if (threads === 0) tell();
  });
}
