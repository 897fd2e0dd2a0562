import { randomBytes } from "node:crypto";

/** A master key of one's own, as PAYLOAD_KEYS takes it. */
export function testPayloadKeys(id = "test"): string {
  return `${id}:${randomBytes(32).toString("base64")}`;
}
