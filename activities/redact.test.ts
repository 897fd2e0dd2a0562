import { describe, expect, test } from "vitest";
import { createRedactor } from "./redact.ts";

const SECRET = 'p4ss/w+rd"éÄ?';
const redactor = createRedactor(
  new Map([
    ["DB", SECRET],
    ["SHORT", "abc"],
    ["KEY", "sk-Canary-123456"],
  ]),
);

describe("redaction", () => {
  test.each([
    ["as it is", SECRET],
    ["base64", Buffer.from(SECRET).toString("base64")],
    ["base64url", Buffer.from(SECRET).toString("base64url")],
    ["Basic authentication", Buffer.from(`u:${SECRET}`).toString("base64")],
    ["Basic authentication of a longer name", Buffer.from(`us:${SECRET}`).toString("base64")],
    ["hex", Buffer.from(SECRET).toString("hex")],
    ["URL encoding", encodeURIComponent(SECRET)],
    ["form encoding", new URLSearchParams({ v: SECRET }).toString().slice(2)],
    ["JSON", JSON.stringify(SECRET).slice(1, -1)],
    ["upper case", SECRET.toUpperCase()],
    ["lower case", SECRET.toLowerCase()],
  ])("F2: When a secret is printed in %s, then its name stands in its place", (_how, form) => {
    const said = redactor.text(`before ${form} after`);
    expect(said).toContain("[secret DB]");
    expect(said).not.toContain(form);
    expect(said.startsWith("before ")).toBe(true);
    expect(said.endsWith(" after")).toBe(true);
  });

  test("F2: When a secret is a key or deep in a value, then it is found there", () => {
    expect(redactor.json({ "sk-Canary-123456": [{ a: "xsk-Canary-123456x" }, 1, null] })).toEqual({ "[secret KEY]": [{ a: "x[secret KEY]x" }, 1, null] });
  });

  test("F2: When a number is the secret, then it is hidden; one that only contains it is not", () => {
    const pin = createRedactor(new Map([["PIN", "482910"]]));
    expect(pin.json([482910, 1482910, 5])).toEqual(["[secret PIN]", 1482910, 5]);
  });

  test("When a secret is shorter than four characters, then ordinary words stay readable", () => {
    expect(redactor.text("abcdef")).toBe("abcdef");
  });

  test("When there are no secrets, then values are handed on untouched", () => {
    const value = { a: ["b"] };
    expect(createRedactor(new Map()).json(value)).toBe(value);
  });
});

describe("streams", () => {
  function stream(pieces: string[], end = true): string[] {
    const out: string[] = [];
    const target = redactor.stream((text) => out.push(text));
    for (const piece of pieces) target.push(piece);
    if (end) target.end();
    return out;
  }

  test.each(Array.from({ length: 15 }, (_, at) => at + 1))("F2: When a secret is cut after %i characters, then it is still found", (at) => {
    const key = "sk-Canary-123456";
    expect(stream([`the key ${key.slice(0, at)}`, `${key.slice(at)} is it`]).join("")).toBe("the key [secret KEY] is it");
  });

  test("F2: When a secret comes letter by letter, then no letter of it gets out", () => {
    expect(stream([..."a sk-Canary-123456 b"]).join("")).toBe("a [secret KEY] b");
  });

  test("G4: When text only begins like a secret, then it is late, not lost", () => {
    expect(stream(["ask s", "k-Cat"])).toEqual(["ask ", "sk-Cat"]);
    expect(stream(["ends with sk-Can"]).join("")).toBe("ends with sk-Can");
  });

  test("F2: When the stream breaks off, then what was held back stays", () => {
    expect(stream(["ends with sk-Canary-12345"], false).join("")).toBe("ends with ");
  });
});
