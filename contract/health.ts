import { z } from "@hono/zod-openapi";
import { PUBLIC, defineRoute, jsonReply } from "./route.ts";
import { timestamp } from "./values.ts";

const tags = ["health"];

const dependency = z.object({ status: z.enum(["up", "down"]), latency_ms: z.number() });

export const health = z.object({ status: z.literal("healthy"), timestamp, version: z.string() }).openapi("Health");
export const readiness = z.object({ status: z.enum(["ready", "not_ready"]), timestamp }).openapi("Readiness");
export const detailedHealth = z
  .object({
    status: z.enum(["healthy", "degraded", "unhealthy"]).openapi({ description: "`degraded`: runs go on, vector nodes wait." }),
    timestamp,
    version: z.string(),
    dependencies: z.object({ postgres: dependency, temporal: dependency, qdrant: dependency }),
  })
  .openapi("DetailedHealth");

export const healthRoutes = {
  health: defineRoute({
    method: "get",
    path: "/health",
    operationId: "health",
    summary: "Is the process alive",
    tags,
    access: PUBLIC,
    responses: { 200: jsonReply("It is.", health) },
  }),
  ready: defineRoute({
    method: "get",
    path: "/health/ready",
    operationId: "ready",
    summary: "Can it serve",
    tags,
    access: PUBLIC,
    responses: {
      200: jsonReply("PostgreSQL and Temporal answer.", readiness),
      503: jsonReply("One of them does not, or the process is shutting down.", readiness),
    },
  }),
  detailedHealth: defineRoute({
    method: "get",
    path: "/health/detailed",
    operationId: "detailedHealth",
    summary: "Each dependency, with its latency",
    tags,
    access: PUBLIC,
    responses: { 200: jsonReply("Runs are served.", detailedHealth), 503: jsonReply("PostgreSQL or Temporal does not answer.", detailedHealth) },
  }),
};
