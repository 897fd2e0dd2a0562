import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

/** Figures of the sizing page may lag behind a measurement by so much. */
const TOLERANCE = 0.15;

/** Rows of the table under a heading of Markdown, without its head, as cells. */
function table(text: string, heading: string): string[][] {
  const section = text.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| "));
  return rows.slice(1).map((line) =>
    line
      .split("|")
      .map((cell) => cell.trim())
      .slice(1, -1),
  );
}

const quoted = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, inside = ""]) => inside);

describe("what the README and the guides promise", () => {
  const promises = table(read("README.md"), "What survives what").map(([event = "", , proof = ""]) => ({ event, proof }));

  test("When the README says that a test proves a promise, then the test is there and has tests in it", () => {
    expect(promises.length).toBeGreaterThan(30);
    const wrong = promises.flatMap(({ event, proof }) => {
      const paths = quoted(proof).filter((text) => !text.startsWith("npm "));
      if (paths.length === 0) return [`${event}: no test`];
      return paths.flatMap((path) => {
        if (!existsSync(`${ROOT}${path}`)) return [`${event}: ${path} is not there`];
        const files = statSync(`${ROOT}${path}`).isDirectory() ? globSync(`${path}**/*.test.ts`, { cwd: ROOT }) : [path];
        const hasTests = files.some((file) => /\b(?:test|it|verifies)(?:\.\w+(?:\([^)]*\))?)*\(/.test(read(file)));
        return hasTests ? [] : [`${event}: ${path} has no tests`];
      });
    });
    expect(wrong).toEqual([]);
  });

  test("When a guide or the README names a script of npm, then there is one", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const named = ["README.md", "AGENTS.md", ...globSync("docs/**/*.md", { cwd: ROOT })].flatMap((file) =>
      [...read(file).matchAll(/\bnpm run ([\w:-]+)/g)].map(([, script = ""]) => ({ file, script })),
    );
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter(({ script }) => scripts[script] === undefined)).toEqual([]);
  });

  test("When the sizing page says how many runs there are a second, then the bench has measured about as many", () => {
    const sizes = new Map(
      table(read("docs/deployment.md"), "Sizes").map(([what = "", measured = ""]) => [what, Number(/^([\d.]+) runs\/s/.exec(measured)?.[1])]),
    );
    const bench = read("bench/RESULTS.md");
    const measuredOf = (what: string) => Number(new RegExp(`^\\| ${what}, 50 runs at a time \\| ([\\d.]+) /s`, "m").exec(bench)?.[1]);
    for (const [said, what] of [
      ["short runs without calls", "ten inline nodes"],
      ["runs of ten calls", "ten HTTP calls in a row"],
    ] as const) {
      expect(Math.abs((sizes.get(said) ?? Number.NaN) / measuredOf(what) - 1), said).toBeLessThan(TOLERANCE);
    }
  });
});
