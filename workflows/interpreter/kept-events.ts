import type { Wait, WaitEnd } from "../control/index.ts";
import type { SentEvent } from "../messages.ts";

/** Events for which nothing has waited yet. */
const MOST_EVENTS = 1_000;
/** In characters of JSON: they travel with every link of the chain. */
const MOST_CHARACTERS = 500_000;

/** Events that came before anything waited for them, in their order; each is taken once. */
export class KeptEvents {
  private readonly kept: { event: SentEvent; characters: number }[] = [];
  private characters = 0;

  get all(): SentEvent[] {
    return this.kept.map(({ event }) => event);
  }

  hasRoomFor(event: SentEvent): boolean {
    return this.kept.length < MOST_EVENTS && this.characters + JSON.stringify(event).length <= MOST_CHARACTERS;
  }

  keep(event: SentEvent): void {
    const { length: characters } = JSON.stringify(event);
    this.kept.push({ event, characters });
    this.characters += characters;
  }

  /** Gives a wait the first event that it waits for. */
  takeFor(wait: Wait): WaitEnd | undefined {
    for (const [at, { event, characters }] of this.kept.entries()) {
      const end = wait.receive?.(event);
      if (!end) continue;
      this.kept.splice(at, 1);
      this.characters -= characters;
      return end;
    }
    return undefined;
  }
}
