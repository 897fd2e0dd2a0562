import type { RunEvent } from "#client";
import type { Terminal } from "./command.ts";
import { type Paint, legible, paintOf, printable, short } from "./text.ts";

const NAME_WIDTH = 20;

/** Prints the events of a run for a person: one line a fact, a model's tokens as running text. */
export class EventPrinter {
  readonly #write: (text: string) => void;
  readonly #paint: Paint;
  readonly #isLive: boolean;
  #isSpeaking = false;

  /** @param isLive - What is waited for is waited for now: the commands that answer it are shown. */
  constructor(terminal: Terminal, isLive = false) {
    this.#isLive = isLive;
    this.#write = (text) => terminal.out(legible(text, terminal));
    this.#paint = paintOf(terminal);
  }

  print(event: RunEvent): void {
    const paint = this.#paint;
    const name = nodeOf(event);
    const message = short((event["error"] as { message?: string } | undefined)?.message ?? "");
    switch (event.kind) {
      case "token_delta":
        this.#speak(typeof event["text"] === "string" ? event["text"] : "");
        return;
      case "run_queued":
        return this.#line("·", "dim", "the run", paint("dim", event.run_id));
      case "run_start":
        return this.#line("▶", "blue", "the run", "started");
      case "node_start":
        return this.#line("▸", "blue", name, paint("dim", [event["name"], event["type"]].filter(isNew).map(short).join(", ")));
      case "node_retry":
        return this.#line(
          "↻",
          "yellow",
          name,
          `attempt ${event.attempt ?? "?"} failed: ${message.replace(/\.$/, "")}; again in ${Number(event["retry_in_ms"] ?? 0) / 1000} s`,
        );
      case "waiting":
        return this.#waiting(name, event);
      case "resumed":
        return this.#line("▸", "blue", name, "goes on");
      case "node_end":
        if (event["status"] === "skipped" || event["status"] === "cancelled") return this.#line("○", "dim", name, paint("dim", event["status"]));
        return this.#line(
          "●",
          "green",
          name,
          `${typeof event["route"] === "string" ? `${paint("bold", short(event["route"]))} ` : ""}${short(event["output"] ?? "")}`,
        );
      case "node_error":
        return this.#line("✗", "red", name, message);
      case "workflow_complete":
        return this.#line("■", "green", "the run", `completed ${short(event["result"] ?? "")}`.trimEnd());
      case "error":
        return this.#line("■", "red", "the run", `${short(event["status"] ?? "failed")}: ${message}`);
      case "command":
        return this.#line("·", "dim", name, paint("dim", typeof event["command"] === "string" ? short(event["command"]) : event.kind));
      case "paused":
      case "tool_call":
        return this.#line("·", "dim", name, paint("dim", `${event.kind}${typeof event["name"] === "string" ? ` ${short(event["name"])}` : ""}`));
      default:
        // A newer server tells of more.
        return this.#line("·", "dim", name, short((event as RunEvent).kind));
    }
  }

  #waiting(name: string, { run_id: run, wait, prompt }: RunEvent): void {
    this.#line("…", "yellow", name, typeof prompt === "string" && prompt !== "" ? `waiting: ${short(prompt)}` : "waiting");
    const answer = wait === "input" ? `perdure approve ${run} --data <json>` : wait === "approval" ? `perdure approve ${run}  (or reject)` : undefined;
    if (answer !== undefined && this.#isLive) this.#line(" ", "dim", "", this.#paint("dim", answer));
  }

  #speak(text: string): void {
    if (!this.#isSpeaking) this.#write(`${" ".repeat(NAME_WIDTH + 3)}${this.#paint("dim", "│ ")}`);
    this.#isSpeaking = true;
    this.#write(this.#paint("cyan", printable(text).replaceAll("\n", " ")));
  }

  #line(mark: string, style: "green" | "red" | "yellow" | "blue" | "dim", name: string, text: string): void {
    if (this.#isSpeaking) this.#write("\n");
    this.#isSpeaking = false;
    this.#write(`${this.#paint(style, mark)} ${name.padEnd(NAME_WIDTH)} ${text}`.trimEnd() + "\n");
  }
}

/** Nodes are called by their ids, as problems and the API call them. */
function nodeOf({ node_id: id = "", iteration }: RunEvent): string {
  if (id === "") return "the run";
  return `${printable(id)}${iteration ? ` [${iteration}]` : ""}`;
}

/** A node without a name of its own is named as its type. */
function isNew(text: unknown, at: number, all: readonly unknown[]): boolean {
  return typeof text === "string" && all.indexOf(text) === at;
}
