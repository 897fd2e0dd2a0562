import { z } from "@hono/zod-openapi";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";

const tags = ["codec"];
const base = "/api/v1/codec";

/** Payloads in one request; a page of the Web UI has some hundreds. */
export const PAYLOADS_MAX = 5_000;

const base64 = z.string().regex(/^[A-Za-z0-9+/_-]*={0,2}$/, "is not base64");

/** A Temporal payload in the JSON form of its message: every value in base64. */
const payload = z.object({ metadata: z.record(z.string().max(200), base64).optional(), data: base64.optional() }).openapi("TemporalPayload");
const payloads = z.object({ payloads: z.array(payload).max(PAYLOADS_MAX).default([]) }).openapi("TemporalPayloads");

/** The remote codec protocol of Temporal's Web UI and `temporal` command. */
const protocol = {
  method: "post",
  tags,
  request: {
    headers: z.object({ "x-namespace": z.string().max(200).optional().openapi({ description: "The Temporal namespace that the payloads come from." }) }),
    body: jsonBody(payloads),
  },
} as const;

export const codecRoutes = {
  decodePayloads: defineRoute({
    ...protocol,
    path: `${base}/decode`,
    operationId: "decodePayloads",
    rules: "`x-namespace` is the namespace of this installation.",
    summary: "Open payloads that Temporal stores for this organization",
    description: "What is not sealed comes back as it is. One payload of another organization refuses the request.",
    access: needs("run.read"),
    problems: [400, 413, 422],
    responses: { 200: jsonReply("The payloads, in their order.", payloads) },
  }),
  encodePayloads: defineRoute({
    ...protocol,
    path: `${base}/encode`,
    operationId: "encodePayloads",
    rules: "`x-namespace` is the namespace of this installation.",
    summary: "Seal payloads for Temporal with this organization's key",
    access: needs("run.control"),
    problems: [400, 413, 422],
    responses: { 200: jsonReply("The payloads, in their order.", payloads) },
  }),
  rotatePayloadKey: defineRoute({
    method: "post",
    path: `${base}/keys/rotate`,
    operationId: "rotatePayloadKey",
    summary: "Seal with a new key from now on",
    description: "Credentials and webhooks are sealed anew with it. Runs that are under way go on: what earlier keys sealed stays readable.",
    tags,
    access: needs("key.rotate"),
    problems: [409],
    responses: {
      201: jsonReply("The new key.", z.object({ version: z.int().openapi({ description: "1, 2, 3 … of the organization." }) }).openapi("PayloadKey")),
    },
  }),
};
