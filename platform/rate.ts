import { z } from "zod";

/** A bucket that holds `burst` tokens and gets `tokens` new ones in each `perMs`. */
export interface Rate {
  readonly tokens: number;
  readonly perMs: number;
  readonly burst: number;
}

const WINDOWS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;
const WRITTEN = /^(\d{1,9})\/([smh])(?:\s*,?\s*burst\s*=?\s*(\d{1,9}))?$/;

/** `600/m`, `600/m burst 50` (the burst is the number itself otherwise), `off`. */
export const rate = z.string().transform((text, context): Rate | undefined => {
  if (text.trim() === "off") return undefined;
  const [, tokens, window, burst] = WRITTEN.exec(text.trim()) ?? [];
  if (tokens === undefined || Number(tokens) === 0 || Number(burst ?? 1) === 0) {
    context.addIssue({ code: "custom", message: "is not a rate such as `600/m`, `10/s burst 50` or `off`" });
    return z.NEVER;
  }
  return { tokens: Number(tokens), perMs: WINDOWS[window as keyof typeof WINDOWS], burst: Number(burst ?? tokens) };
});
