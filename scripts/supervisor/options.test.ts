import { describe, expect, test } from "vitest";
import { readOptions } from "./options.ts";

describe("When `npm start` reads its arguments", () => {
  test("When none are given, then all parts are wanted", () => {
    expect(readOptions([])).toEqual({ parts: ["postgres", "temporal", "qdrant", "api", "worker"], partial: false, help: false });
  });

  test("When one part is asked for, then only that", () => {
    expect(readOptions(["--only", "worker"])).toMatchObject({ parts: ["worker"], partial: true });
  });

  test("When infra is asked for, then the three servers", () => {
    expect(readOptions(["--only", "infra"]).parts).toEqual(["postgres", "temporal", "qdrant"]);
  });

  test("When a part does not exist, then the message names it and what there is", () => {
    expect(() => readOptions(["--only", "wrker"])).toThrow(/no part "wrker"[^]*infra, postgres, temporal, qdrant, api, worker/);
  });
});
