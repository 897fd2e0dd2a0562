import { expect, test } from "vitest";
import { ServiceError } from "@temporalio/client";
import { GRPC, isRefusal, isSilence } from "./temporal-errors.ts";

function answer(code: number, details: string): ServiceError {
  const cause = Object.assign(new Error(`${code}: ${details}`), { code, details, metadata: {} });
  return new ServiceError("Workflow Update failed", { cause });
}

test("A9: When the run's last workflow task has failed, then a command is not refused but kept", () => {
  const failed = answer(GRPC.failedPrecondition, "Unable to perform workflow execution update due to Workflow Task in failed state.");
  expect([isRefusal(failed), isSilence(failed)]).toEqual([false, true]);
  const other = answer(GRPC.failedPrecondition, "The namespace takes no updates.");
  expect([isRefusal(other), isSilence(other)]).toEqual([true, false]);
  expect(isSilence(answer(GRPC.unavailable, "away"))).toBe(true);
});
