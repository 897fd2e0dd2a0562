/**
 * The typed client of the REST API, for browsers and Node 20 or later: `createClient({ url })`. Types come from `contract/` and are erased; while
 * it runs it needs `fetch` and one small package that parses event streams. docs/client.md shows what it does.
 */
export type { RetryOptions } from "./backoff.ts";
export { type Caller, type Client, type ClientOptions, createClient } from "./client.ts";
export { ApiError, ConnectionError, type ErrorCode } from "./errors.ts";
export type { HubMessage, HubOptions, HubTopic } from "./hub.ts";
export type { Resources } from "./resources.ts";
export { memorySession, type SessionStore, type SessionTokens } from "./session.ts";
export type { StreamOptions } from "./streaming.ts";
export type { CallOptions } from "./transport.ts";
export type {
  Account,
  Approval,
  BodyOf,
  Data,
  Input,
  Item,
  NodeRun,
  NodeType,
  PagedOperation,
  PlainOperation,
  QueryOf,
  Reply,
  Run,
  RunEvent,
  RunResult,
  Validation,
  Workflow,
  WorkflowVersion,
} from "./types.ts";
