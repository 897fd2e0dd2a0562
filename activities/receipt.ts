import { isObject, type Json } from "#core";
import type { NodeResult } from "#workflows/messages";

/** A result as it is kept beside the run, with the attempt that made it. */
export type Receipt = NodeResult & { attempt: number; duration_ms: number };

export function readReceipt(stored: Json, attempt: number): Receipt {
  const receipt = isObject(stored) ? (stored as unknown as Partial<Receipt>) : {};
  return {
    value: receipt.value ?? null,
    ...(receipt.route !== undefined && { route: receipt.route }),
    attempt: receipt.attempt ?? attempt,
    duration_ms: receipt.duration_ms ?? 0,
  };
}
