import { describe, expect, test } from "vitest";
import { checkSettings } from "./settings.ts";

const message = (settings: Record<string, string>): string => {
  try {
    checkSettings(settings);
  } catch (error) {
    return (error as Error).message;
  }
  return "";
};

describe("When `npm start` reads the settings", () => {
  test("When none is set, or those that are fit, then nothing is said", () => {
    expect(message({})).toBe("");
    expect(message({ PORT: "0", TEMPORAL_UI_PORT: "", DATABASE_URL: "postgresql://u:p@db.example:5432/perdure?sslmode=require" })).toBe("");
    expect(message({ TEMPORAL_ADDRESS: "perdure.a1b2c.tmprl.cloud:7233", QDRANT_URL: "https://qdrant.example:6333" })).toBe("");
  });

  test("When several are wrong, then all are named at once, and no value is shown", () => {
    const text = message({ PORT: "abc", TEMPORAL_UI_PORT: "99999", DATABASE_URL: "hunter2", QDRANT_URL: "qdrant:6333", LOG_LEVEL: "loud" });
    expect(text.split("\n").map((line) => line.split(":")[0]?.trim())).toEqual([
      "Settings in the environment are wrong",
      "PORT",
      "TEMPORAL_UI_PORT",
      "DATABASE_URL",
      "QDRANT_URL",
      "LOG_LEVEL",
    ]);
    for (const value of ["abc", "99999", "hunter2", "loud"]) expect(text).not.toContain(value);
  });

  test.each(["-1", "80.5", "0x50", "65536", " "])("When PORT is %j, then it is refused", (port) => {
    expect(message({ PORT: port })).toContain("PORT: takes a number from 0");
  });
});
