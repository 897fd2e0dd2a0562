import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { envSchema } from "#platform";

const file = new URL("../.env.example", import.meta.url);
/** Read by `npm start` itself, and the example of a graph's secret. */
const BESIDES = ["PERDURE_DATA", "TEMPORAL_UI_PORT", "PERDURE_SECRET_EXAMPLE"];

describe("When .env.example is read", () => {
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line) => /^#?([A-Z][A-Z0-9_]*)=(.*)$/.exec(line)?.slice(1) ?? []);
  const given = new Map(lines.flatMap((name, index) => (index % 2 === 0 ? [[name, lines[index + 1] ?? ""] as const] : [])));

  test("When its names are compared with the settings, then both are the same", () => {
    expect([...given.keys()].toSorted()).toEqual([...Object.keys(envSchema.shape), ...BESIDES].toSorted());
  });

  test("When its values are taken, then they are the defaults", () => {
    const values = Object.fromEntries([...given].filter(([name, value]) => value !== "" && !BESIDES.includes(name)));
    expect(envSchema.parse(values)).toEqual(envSchema.parse({}));
  });
});
