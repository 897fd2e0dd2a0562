import type { Paint } from "../infra/index.ts";
import type { StreamEvent } from "./client.ts";

const NAME_WIDTH = 20;
const TEXT_MAX = 160;

/** Prints a run's events as they come: one line a fact, a model's tokens as running text. */
export class EventPrinter {
  readonly #write: (text: string) => void;
  readonly #colour: Paint;
  readonly #names = new Map<string, string>();
  #speaking = false;

  constructor(write: (text: string) => void, colour: Paint) {
    this.#write = write;
    this.#colour = colour;
  }

  print(event: StreamEvent): void {
    const colour = this.#colour;
    const id = event.node_id ?? "";
    if (typeof event["name"] === "string") this.#names.set(id, event["name"]);
    switch (event.kind) {
      case "token_delta":
        if (!this.#speaking) this.#write(`    ${" ".repeat(NAME_WIDTH)} ${colour("dim", "│ ")}`);
        this.#speaking = true;
        this.#write(colour("cyan", String(event["text"] ?? "").replaceAll("\n", " ")));
        return;
      case "run_start":
        return this.#line("▶", "blue", "the run", "started");
      case "node_start":
        if (event["type"] === "OpenAINode" || event["type"] === "Delay") this.#line("▸", "blue", this.#name(id), `started ${colour("dim", event["type"])}`);
        return;
      case "node_retry":
        return this.#line("↻", "yellow", this.#name(id), `tried again in ${Number(event["retry_in_ms"] ?? 0) / 1000} s`);
      case "waiting":
        if (id !== "") this.#line("…", "yellow", this.#name(id), "waiting");
        return;
      case "node_end":
        if (event["status"] === "skipped") return this.#line("○", "dim", this.#name(id), colour("dim", "skipped"));
        return this.#line(
          "●",
          "green",
          this.#name(id),
          `${typeof event["route"] === "string" ? `${colour("bold", event["route"])} ` : ""}${colour("dim", shorten(event["output"]))}`,
        );
      case "node_error":
        return this.#line("✗", "red", this.#name(id), shorten((event["error"] as { message?: string } | undefined)?.message));
      case "workflow_complete":
        return this.#line("■", "green", "the run", "completed");
      case "error":
        return this.#line("■", "red", "the run", `ended: ${shorten((event["error"] as { message?: string } | undefined)?.message)}`);
      default:
    }
  }

  #name(id: string): string {
    return this.#names.get(id) ?? id;
  }

  #line(mark: string, markColour: "green" | "red" | "yellow" | "blue" | "dim", name: string, text: string): void {
    if (this.#speaking) this.#write("\n");
    this.#speaking = false;
    this.#write(`    ${this.#colour(markColour, mark)} ${name.padEnd(NAME_WIDTH)} ${text}\n`);
  }
}

function shorten(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
}
