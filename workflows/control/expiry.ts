import { parseDuration, PerdureError } from "#core";
import type { ControlContext, Wait, WaitEnd } from "./control-step.ts";

/** When a wait with a `timeout` runs out, and what then: the `timeout` route, or `wait.timed_out` where no edge leaves by it. */
export function expiry({ inputs, now, hasEdge }: ControlContext, message: string): Pick<Wait, "expiresAt" | "expire"> {
  const { timeout } = inputs;
  const ms = typeof timeout === "string" || typeof timeout === "number" ? parseDuration(timeout) : undefined;
  const expire = (): WaitEnd =>
    hasEdge("timeout") ? { ok: true, value: { timed_out: true }, route: "timeout" } : { ok: false, error: new PerdureError("wait.timed_out", message) };
  return { expire, ...(ms !== undefined && { expiresAt: now + ms }) };
}
