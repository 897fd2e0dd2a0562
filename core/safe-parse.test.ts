import { expect, test } from "vitest";
import { z } from "zod";
import { safeParse } from "./safe-parse.ts";

test("D8: When a value makes the schema itself throw, then it is not valid, as any other that does not fit", () => {
  const schema = z.string().min(1);
  const value = JSON.parse('{"length":{"toString":null}}') as unknown;
  expect(() => schema.safeParse(value)).toThrow(TypeError);
  expect(safeParse(schema, value)).toMatchObject({ success: false, error: { issues: [{ path: [], message: "is not valid" }] } });
  expect(safeParse(schema, "a")).toMatchObject({ success: true, data: "a" });
  expect(safeParse(schema, "")).toMatchObject({ success: false });
});
