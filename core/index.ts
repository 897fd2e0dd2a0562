/** Shared words: errors, ids, durations, JSON and event types. Imports nothing. */
export * from "./cron.ts";
export * from "./durations.ts";
export * from "./errors.ts";
export * from "./events.ts";
export * from "./ids.ts";
export * from "./json.ts";
export * from "./retention.ts";
export * from "./safe-parse.ts";
export * from "./upstream.ts";
