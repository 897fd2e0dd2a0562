import type { Payload } from "@temporalio/common";
import { PerdureError } from "#core";
import { SEALED_KINDS } from "#db";
import { reseal } from "#payloads";
import type { Handlers } from "../mount.ts";
import type { Services } from "../services.ts";

interface PayloadJson {
  metadata?: Record<string, string> | undefined;
  data?: string | undefined;
}

/** What a request can wait for. Deliveries may be any number: they stay readable, and `npm run keys:rotate` seals them anew. */
const FEW = SEALED_KINDS.filter((kind) => kind !== "webhook delivery");

/** The remote codec protocol, for one tenant: the caller's. */
export function codecHandlers({ db, payloads, settings }: Services): Handlers<"decodePayloads" | "encodePayloads" | "rotatePayloadKey"> {
  function refuseOtherNamespace(namespace: string | undefined): void {
    if (namespace === undefined || namespace === settings.TEMPORAL_NAMESPACE) return;
    throw new PerdureError("validation.failed", "The payloads are of a namespace that is not ours.", {
      findings: [{ code: "validation.namespace", message: `must be ${settings.TEMPORAL_NAMESPACE}`, path: "header.x-namespace" }],
    });
  }

  return {
    async decodePayloads({ headers, body, principal }) {
      refuseOtherNamespace(headers["x-namespace"]);
      try {
        return { status: 200, body: { payloads: (await payloads.show(principal.tenantId, body.payloads.map(fromJson))).map(toJson) } };
      } catch (error) {
        if (!(error instanceof PerdureError && error.code === "payload.unreadable")) throw error;
        throw new PerdureError("auth.forbidden", "A payload is not this organization's, or is damaged.", { cause: error });
      }
    },

    async encodePayloads({ headers, body, principal }) {
      refuseOtherNamespace(headers["x-namespace"]);
      return { status: 200, body: { payloads: (await payloads.encode(principal.tenantId, body.payloads.map(fromJson))).map(toJson) } };
    },

    async rotatePayloadKey({ principal }) {
      const version = await payloads.rotate(principal.tenantId);
      await reseal({ rows: db.sealed, payloads, tenant: principal.tenantId, kinds: FEW });
      return { status: 201, body: { version } };
    },
  };
}

function fromJson({ metadata, data }: PayloadJson): Payload {
  return {
    ...(metadata && { metadata: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, "base64")])) }),
    ...(data !== undefined && { data: Buffer.from(data, "base64") }),
  };
}

function toJson({ metadata, data }: Payload): PayloadJson {
  return {
    ...(metadata && { metadata: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value).toString("base64")])) }),
    ...(data && { data: Buffer.from(data).toString("base64") }),
  };
}
