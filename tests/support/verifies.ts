import { test, type TestContext } from "vitest";
import type { RequirementId } from "../requirements.ts";

/** A test that proves requirements of tests/requirements.ts; an unknown id is a compile error. */
export function verifies(
  ids: readonly [RequirementId, ...RequirementId[]],
  title: string,
  body: (context: TestContext) => Promise<void> | void,
  timeoutMs?: number,
): void {
  test(`${ids.join(", ")}: ${title}`, body, timeoutMs);
}
