import { z } from "@hono/zod-openapi";
import { RETENTION_KIND_NAMES, RETENTION_KINDS, RETENTION_MOST_DAYS, type RetentionKind } from "#core";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";

const tags = ["organizations"];

const daysOf = (kind: RetentionKind) =>
  z.int().min(RETENTION_KINDS[kind].leastDays).max(RETENTION_MOST_DAYS).nullable().openapi({ description: "Days; null keeps for ever." });

const kinds = Object.fromEntries(RETENTION_KIND_NAMES.map((kind) => [kind, daysOf(kind)])) as Record<RetentionKind, ReturnType<typeof daysOf>>;

export const retention = z
  .object({
    days: z.object(kinds).openapi({ description: "What holds for the organization." }),
    defaults: z.object(kinds).openapi({ description: "What the operator has set for kinds that the organization has not." }),
  })
  .openapi("Retention");

const change = z
  .strictObject({ days: z.strictObject(kinds).partial().openapi({ description: "Kinds that are left out have the operator's default." }) })
  .openapi("RetentionChange");

export const storage = z
  .object({
    rows: z.number(),
    bytes: z.number(),
    kinds: z.array(
      z.object({ kind: z.string(), rows: z.number(), bytes: z.number().openapi({ description: "Of values as they are stored, without indexes." }) }),
    ),
  })
  .openapi("Storage");

export const retentionRoutes = {
  getRetention: defineRoute({
    method: "get",
    path: "/api/v1/organization/retention",
    operationId: "getRetention",
    summary: "See how long what runs leave behind is kept",
    tags,
    access: needs("organization.read"),
    responses: { 200: jsonReply("Days by kind.", retention) },
  }),
  setRetention: defineRoute({
    method: "put",
    path: "/api/v1/organization/retention",
    operationId: "setRetention",
    summary: "Say how long what runs leave behind is kept",
    description:
      "Counted from a run's end; live runs keep everything. Events, and rows of nodes with what they came to, go with all of their run; such a run is still listed, with its outputs, and can no longer be retried or forked once its rows have gone. Payloads count from their last use, and stay while a run lives that began before it. A webhook's deliveries stay while their run lives, and while a re-delivery of them is kept; a schedule's firings stay within its catch-up window, and its newest stays. Idempotency keys go when their run has ended for so long: the same key starts another run then.",
    tags,
    access: needs("organization.write"),
    problems: [400, 413, 422],
    request: { body: jsonBody(change) },
    responses: { 200: jsonReply("Days by kind.", retention) },
  }),
  getStorage: defineRoute({
    method: "get",
    path: "/api/v1/organization/storage",
    operationId: "getStorage",
    summary: "See how much the organization stores",
    description: "Reads every row: ask seldom.",
    tags,
    access: needs("organization.read"),
    responses: { 200: jsonReply("Rows and bytes by kind.", storage) },
  }),
};
