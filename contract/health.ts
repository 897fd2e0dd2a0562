import { z } from "@hono/zod-openapi";
import { PUBLIC, defineRoute, jsonReply, needs } from "./route.ts";
import { id, timestamp } from "./values.ts";

const tags = ["health"];

const dependency = z.object({ status: z.enum(["up", "down"]), latency_ms: z.number() });

export const health = z.object({ status: z.literal("healthy"), timestamp, version: z.string() }).openapi("Health");
export const readiness = z.object({ status: z.enum(["ready", "not_ready"]), timestamp }).openapi("Readiness");
export const detailedHealth = z
  .object({
    status: z
      .enum(["healthy", "degraded", "unhealthy"])
      .openapi({ description: "`degraded`: what is accepted is kept, but no worker runs it, or vector nodes wait." }),
    timestamp,
    version: z.string(),
    dependencies: z.object({ postgres: dependency, temporal: dependency, qdrant: dependency }),
    circuits: z
      .object({ open: z.int(), half_open: z.int() })
      .nullable()
      .openapi({ description: "Circuit breakers of all workers that are not closed; null where PostgreSQL does not answer." }),
    workers: z
      .object({
        polling: z
          .int()
          .openapi({ description: "Pollers for workflow tasks that Temporal has seen within minutes; 0: nothing runs, and the status is `degraded`." }),
        backlog: z.int().openapi({ description: "Tasks that wait for a worker, about." }),
      })
      .nullable()
      .openapi({ description: "Null where Temporal does not say." }),
  })
  .openapi("DetailedHealth");

/** A circuit breaker that is not closed. */
export const circuit = z
  .object({
    kind: z.enum(["http", "model"]),
    name: z.string().openapi({ description: "The host with its port, or the model provider.", example: "api.example.com" }),
    worker: id.openapi({ description: "Each worker learns for itself." }),
    state: z
      .enum(["open", "half_open"])
      .openapi({ description: "`open`: calls fail with `upstream.circuit_open`. `half_open`: one call tries whether the other side is back." }),
    failures: z.int().openapi({ description: "In a row." }),
    opened_at: timestamp,
    retry_at: timestamp.openapi({ description: "From when on a call may try." }),
  })
  .openapi("Circuit");

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
    description: "For everybody, unless the operator asks for METRICS_TOKEN (`HEALTH_DETAILED=token`).",
    problems: [401, 403],
    tags,
    access: PUBLIC,
    responses: { 200: jsonReply("Runs are served.", detailedHealth), 503: jsonReply("PostgreSQL or Temporal does not answer.", detailedHealth) },
  }),
  listCircuits: defineRoute({
    method: "get",
    path: "/api/v1/circuits",
    operationId: "listCircuits",
    summary: "Hosts and model providers that are left alone for a while",
    description: "Circuit breakers of the caller's organization that are not closed. What is not listed is called as usual.",
    tags,
    access: needs("run.read"),
    responses: { 200: jsonReply("Open and half-open circuits, by kind and name.", z.array(circuit)) },
  }),
};
