import { expect, test } from "vitest";
import { isUuid, tenantId, uuidv7 } from "./ids.ts";

test("When many ids are made at once, then they differ, sort in their order, and are UUIDs of version 7", () => {
  const ids = Array.from({ length: 10_000 }, () => uuidv7());
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.toSorted()).toEqual(ids);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("When the clock goes back, then ids still sort in the order they were made", () => {
  const first = uuidv7(2_000_000_000_000);
  expect(uuidv7(1_000_000_000_000) > first).toBe(true);
});

test("F1: When something is no UUID, then it cannot become a tenant id", () => {
  expect(() => tenantId("' or 1=1 --")).toThrow(TypeError);
  expect(isUuid("0198C0DE-0000-7000-8000-000000000001")).toBe(false);
});
