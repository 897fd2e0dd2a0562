/** The tables. Row-level security, grants and functions stand in the hand-written migrations. */
export * from "./accounts.ts";
export * from "./circuits.ts";
export * from "./credentials.ts";
export * from "./custom-nodes.ts";
export * from "./variables.ts";
export * from "./admission.ts";
export * from "./bulk.ts";
export * from "./messages.ts";
export * from "./payloads.ts";
export * from "./organizations.ts";
export * from "./runs.ts";
export * from "./workflows.ts";
