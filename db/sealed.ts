/**
 * All that is kept sealed with a data key in a column of its own (`sealed`, with `key_version` beside it), by the name that is authenticated with it. Nothing can
 * be sealed that is not in this list, and a rotation goes through it: `payloads/resealing.ts`. `owner` names whose data key it is: an organization's or a user's.
 */
export const SEALED = {
  credential: { table: "credentials", id: "id", idType: "uuid", owner: "tenant_id", scope: "tenant" },
  webhook: { table: "webhooks", id: "id", idType: "text", owner: "tenant_id", scope: "tenant" },
  "webhook delivery": { table: "webhook_deliveries", id: "id", idType: "uuid", owner: "tenant_id", scope: "tenant" },
  "second factor": { table: "second_factors", id: "user_id", idType: "uuid", owner: "user_id", scope: "system" },
} as const satisfies Record<string, { table: string; id: string; idType: "uuid" | "text"; owner: string; scope: "tenant" | "system" }>;

export type SealedKind = keyof typeof SEALED;

export const SEALED_KINDS = Object.keys(SEALED) as SealedKind[];

/** Bytes that a rotation does not seal anew, and why. With `SEALED` these are all columns of bytes there are (`tests/component/keys-rotation.test.ts`). */
export const NOT_SEALED_ANEW: Readonly<Record<string, string>> = {
  "payload_keys.wrapped": "data keys themselves: wrapped anew with the first master key",
  "payload_blobs.bytes": "histories in Temporal name them by a hash under the key that sealed them; that key stays",
};
