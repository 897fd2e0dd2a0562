import { type Json, isObject } from "#core";
import type { LiveRows, Watcher } from "#db";
import type { Logger } from "#platform";

/** A message of a member to a topic. */
export interface Message {
  readonly id: string;
  readonly tenant: string;
  readonly topic: string;
  readonly payload: Json;
  readonly from: string;
  /** ISO 8601. */
  readonly at: string;
}

/** Who began and who ceased to watch a topic. */
export interface Movement {
  readonly tenant: string;
  readonly topic: string;
  readonly joined: readonly Watcher[];
  readonly left: readonly Watcher[];
}

export type Word = { readonly message: Message } | { readonly movement: Movement };

/** What processes tell each other, at once and once. Nothing of it is kept: what has to last is in tables. */
export interface Bus {
  /** Resolves when all processes have been told, this one too. @throws PerdureError `database.unavailable`. */
  tell(word: Word): Promise<void>;
}

/** Begins to listen. */
export async function openBus(rows: Pick<LiveRows, "tell" | "listen">, hear: (word: Word) => void, logger: Logger): Promise<Bus & { close(): Promise<void> }> {
  const listening = await rows.listen((text) => {
    try {
      const word: unknown = JSON.parse(text);
      if (isObject(word)) hear(word as unknown as Word);
    } catch (error) {
      logger.warn({ err: error }, "what another process said was not understood");
    }
  });
  return { tell: (word) => rows.tell(JSON.stringify(word)), close: () => listening.close() };
}
