import { styleText } from "node:util";
import type { Terminal } from "./command.ts";

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "blue" | "cyan";

export type Paint = (style: Style, text: string) => string;

export function paintOf({ isColoured }: Pick<Terminal, "isColoured">): Paint {
  return (style, text) => (isColoured ? styleText(style, text, { validateStream: false }) : text);
}

const SHOWN_LENGTH = 200;

/** A value on one line. */
export function short(value: unknown): string {
  const text = printable(typeof value === "string" ? value : (JSON.stringify(value) ?? "")).replaceAll("\n", " ");
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}

/** Without characters that a terminal would obey: what a node prints may come from anywhere. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is meant
  return text.replaceAll(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, " ");
}

/** What `paintOf` writes. */
// oxlint-disable-next-line no-control-regex -- they are what is meant
const PAINT = /(\u001b\[(?:[12]|22|3[1-69])m)/;

/** Lines as they may be shown: of control characters only the program's own colours are left, and those where there are any. */
export function legible(text: string, { isColoured }: Pick<Terminal, "isColoured">): string {
  if (!isColoured) return printable(text);
  return text
    .split(PAINT)
    .map((part, at) => (at % 2 === 1 ? part : printable(part)))
    .join("");
}

/** The same document, JSON or YAML as the API writes it, with escapes in place of what JSON leaves as it is and a terminal may obey. */
export function escaped(document: string): string {
  return document.replaceAll(/[\u007f-\u009f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Columns as wide as their widest cell, two spaces between. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
