/**
 * The REST and SSE surface as data: zod route objects, one file per resource. The api serves them, the OpenAPI description and the client are
 * made from them. Pure: loads in a browser and a test alike.
 */
export * from "./aliases.ts";
export * from "./audit-rules.ts";
export * from "./documented.ts";
export * from "./events.ts";
export * from "./live.ts";
export * from "./permissions.ts";
export * from "./route.ts";
export * from "./routes.ts";
export * from "./values.ts";
