import { PerdureError } from "#core";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { createYamlThreads } from "./index.ts";
import { parseYaml, toYaml } from "./text.ts";

const LIMITS = { maxAliases: 20, maxExpanded: 100_000, maxDepth: 50 };
const read = (text: string) => parseYaml(text, LIMITS);

function failureOf(text: string): PerdureError {
  try {
    read(text);
  } catch (error) {
    if (error instanceof PerdureError) return error;
    throw error;
  }
  throw new Error(`${text.slice(0, 100)} was read`);
}

describe("reading YAML", () => {
  test("A13: When any JSON value is written as YAML, then it is read back as the same", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const json = JSON.parse(JSON.stringify(value)) as never;
        expect(read(toYaml(json))).toEqual(json);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    "yes",
    "no",
    "on",
    "1:30",
    "012",
    "0x1F",
    "1e3",
    "~",
    "null",
    "2026-11-21",
    "{{x}}",
    "- a",
    "a: b",
    "#",
    "",
    " a ",
    "a\n\n b\n",
    "<<",
    "*a",
    "&a",
    "!x",
    "%",
  ])("A13: When a text looks like something else (%s), then it stays a text, for readers of YAML 1.1 too", (text) => {
    expect(read(toYaml({ text, [text]: 1 }))).toEqual({ text, [text]: 1 });
    expect(toYaml({ text })).not.toMatch(/: (yes|no|on|1:30|012|0x1F|2026-11-21)$/m);
  });

  test("A13: When keys are those of prototypes, then they are keys and nothing more", () => {
    const value = read("__proto__: { polluted: true }\nconstructor: 1\n") as object;
    expect(Object.keys(value)).toEqual(["__proto__", "constructor"]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  test("A13: When anchors are used with measure, then they are read", () => {
    expect(read("a: &x { n: 1 }\nb: *x\nc: [*x, *x]\n")).toEqual({ a: { n: 1 }, b: { n: 1 }, c: [{ n: 1 }, { n: 1 }] });
  });

  test.each([
    ["a tag of its own", "a: !secret x", "yaml.tag_resolve_failed"],
    ["a tag of JavaScript", 'a: !!js/function "() => 1"', "yaml.tag_resolve_failed"],
    ["binary", "a: !!binary aGk=", "yaml.value"],
    ["merge keys", "a: &a { n: 1 }\nb: { <<: *a }", "yaml.merge_key"],
    ["a key twice", "a: 1\nb: 2\na: 3", "yaml.duplicate_key"],
    ["a key that is no text", "? [1, 2]\n: 3", "yaml.non_string_key"],
    ["two documents", "a: 1\n---\nb: 2\n", "yaml.multiple_docs"],
    ["infinity", "a: .inf", "yaml.value"],
    ["more aliases than the limit", `a: &a 1\nb: [${"*a,".repeat(21)}]`, "yaml.aliases"],
    ["a value that holds itself", "a: &a [*a]", "yaml.bad_alias"],
    ["an alias of nothing", "a: *b", "yaml.bad_alias"],
    ["brackets that do not close", "a: [1, 2", "yaml.bad_indent"],
  ])("A13: When it has %s, then it is refused with what is wrong", (_what, text, code) => {
    const failure = failureOf(text);
    expect([failure.code, failure.status]).toEqual(["request.malformed", 400]);
    expect(failure.findings.map((finding) => finding.code)).toContain(code);
  });

  test("A13: When aliases double again and again, then it is refused before it takes memory", () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x]\n${[..."bcdef"].map((name, at) => `${name}: &${name} [*${"abcdef"[at]},*${"abcdef"[at]}]`).join("\n")}`;
    expect(read(bomb)).toHaveProperty("f");
    const large = `a: &a "${"x".repeat(10_000)}"\n${Array.from({ length: 15 }, (_, n) => `b${n}: *a`).join("\n")}`;
    expect(failureOf(large)).toMatchObject({ code: "request.too_large", status: 413 });
  });

  test("A13: When it nests deeper than the limit, then it is refused, however deep", () => {
    for (const depth of [52, 5_000, 50_000]) {
      expect(failureOf("[".repeat(depth) + "]".repeat(depth)).code, String(depth)).toBe("request.malformed");
      expect(failureOf(`${"- ".repeat(depth)}x`).code, String(depth)).toBe("request.malformed");
    }
  });

  test("A13: When an object has very many keys, then the time it takes grows with their number and not with its square", () => {
    const text = Array.from({ length: 40_000 }, (_, n) => `k${n}: 1\n`).join("");
    const startedAt = performance.now();
    expect(Object.keys(parseYaml(text, { ...LIMITS, maxExpanded: 10_000_000 }) as object)).toHaveLength(40_000);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });
});

describe("YAML in threads", () => {
  const never = new AbortController().signal;
  const threads = createYamlThreads({ maxBytes: 600_000, maxAliases: 20, timeoutMs: 400 });
  afterAll(() => threads.close());

  test("A13: When a document is read and written there, then as here, and mistakes come back as they are", async () => {
    expect(await threads.read("a: [1, x]", never)).toEqual({ a: [1, "x"] });
    expect(read(await threads.write({ a: [1, "x"] }, never))).toEqual({ a: [1, "x"] });
    await expect(threads.read("a: [", never)).rejects.toMatchObject({
      code: "request.malformed",
      findings: [{ path: expect.stringMatching(/^line 1, column \d+$/) as string }],
    });
  });

  test("A13: When a document is larger than YAML_MAX_BYTES, then it is not read", async () => {
    await expect(threads.read("x".repeat(600_001), never)).rejects.toMatchObject({
      code: "request.too_large",
      message: expect.stringContaining("YAML_MAX_BYTES") as string,
    });
  });

  test("A13: When a document takes longer than YAML_TIMEOUT_MS, then it is given up, and the next one is read", async () => {
    const slow = "- }\n".repeat(150_000);
    await expect(threads.read(slow, never)).rejects.toMatchObject({ code: "request.too_large", message: expect.stringContaining("YAML_TIMEOUT_MS") as string });
    expect(await threads.read("a: 1", never)).toEqual({ a: 1 });
  });

  test("A13: When the caller has gone, then nothing is read for them", async () => {
    await expect(threads.read("a: 1", AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
  });
});
