/** `npm run test:scale` proves the figures of the requirement; `npm test` proves the same with smaller ones. */
export const isLong = process.env["SCALE"] === "long";

export function form<T>({ short, long }: { short: T; long: T }): T {
  return isLong ? long : short;
}

/** Figures for whoever runs it. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
