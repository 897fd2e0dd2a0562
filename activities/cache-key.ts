import { createHash } from "node:crypto";
import { stableStringify } from "#core";
import type { NodeCall } from "#workflows/messages";

/**
 * What a cached result stands for. With a key of its own, that node of that workflow with that key; else every node of the tenant of the same
 * type that is given the same. Secrets count by name.
 */
export function cacheKeyOf({ type, node_id, cache, inputs, secret_slots, input, scope, providers }: NodeCall): string {
  const given = cache?.key === undefined ? [inputs, secret_slots, input, scope ?? null, providers ?? null] : [cache.of, node_id, cache.key];
  return createHash("sha256")
    .update(stableStringify([type, ...given]))
    .digest("hex");
}
