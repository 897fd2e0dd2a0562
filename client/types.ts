import type { z } from "@hono/zod-openapi";
import type { RouteName, Routes } from "#contract";
import type { Json, JsonObject } from "#core";

/*
 * What each operation takes and answers, taken from the schemas of `contract/`. Nothing of this is there when the code runs.
 */

/** A value of a path, a query or a header, as the caller writes it: the contract's after reading, lists also as one value, times also as text. */
type Sent<T> = T extends Date ? Date | string : T extends readonly (infer E)[] ? readonly E[] | E : T;
type SentFields<S> = S extends z.ZodType ? { [K in keyof z.input<S>]: K extends keyof z.output<S> ? Sent<z.output<S>[K]> : never } : never;

/** A value of a body. JSON is any value, a JSON object any object: interfaces fit, which have no index signature. */
type Given<T> = [Json] extends [T] ? unknown : GivenPart<T>;
type GivenPart<T> = T extends readonly (infer E)[]
  ? readonly Given<E>[]
  : T extends object
    ? string extends keyof T
      ? JsonObject extends T
        ? object
        : T
      : { [K in keyof T]: Given<T[K]> }
    : T;
/** Where reading turns anything into a value, the value is meant. */
type BodyFields<I, O> = { [K in keyof I]: unknown extends I[K] ? (K extends keyof O ? Given<O[K]> : never) : Given<I[K]> };

type RequestOf<N extends RouteName> = Routes[N] extends { request: infer R } ? R : object;
type Part<N extends RouteName, K extends string> = RequestOf<N> extends Record<K, infer S> ? SentFields<S> : undefined;
/** Set by the client itself. */
type OwnHeaders = "idempotency-key" | "last-event-id";
type HeadersOf<N extends RouteName> =
  Part<N, "headers"> extends undefined
    ? undefined
    : Exclude<keyof Part<N, "headers">, OwnHeaders> extends never
      ? undefined
      : Omit<Part<N, "headers">, OwnHeaders>;
export type BodyOf<N extends RouteName> =
  RequestOf<N> extends { body: { content: { "application/json": { schema: infer S extends z.ZodType } } } } ? BodyFields<z.input<S>, z.output<S>> : undefined;
export type QueryOf<N extends RouteName> = Part<N, "query">;

type Field<K extends string, T> = T extends undefined ? object : object extends T ? { readonly [key in K]?: T } : { readonly [key in K]: T };

/** What an operation is called with: `params` of its path, `query`, `headers` and `body`, each where it has such. */
export type Input<N extends RouteName> = Field<"params", Part<N, "params">> &
  Field<"query", Part<N, "query">> &
  Field<"headers", HeadersOf<N>> &
  Field<"body", BodyOf<N>>;

type Succeeded = 200 | 201 | 202 | 204;
type RepliesOf<N extends RouteName> = Routes[N] extends { responses: infer R } ? R : never;
type DataOf<R> = R extends { content: infer C }
  ? | (C extends { "application/json": { schema: infer S extends z.ZodType } } ? z.output<S> : never)
    | (C extends { "application/yaml": unknown } ? string : never)
  : undefined;

/** What an operation answers when it succeeds, with each status that it may. */
export type Reply<N extends RouteName> = {
  [S in keyof RepliesOf<N> & Succeeded]: { readonly status: S; readonly data: DataOf<RepliesOf<N>[S]>; readonly headers: Headers };
}[keyof RepliesOf<N> & Succeeded];

/** What an operation answers when it succeeds. */
export type Data<N extends RouteName> = Reply<N>["data"];

type EventStream = { 200: { content: { "text/event-stream": unknown } } };
type NoJson<R> = R extends { 200: { content: { "application/json": unknown } } } ? false : true;

/** Operations that answer with server-sent events alone. */
export type StreamingOperation = { [N in RouteName]: RepliesOf<N> extends EventStream ? (NoJson<RepliesOf<N>> extends true ? N : never) : never }[RouteName];
/** Operations that answer at once, with JSON, YAML or nothing. Not: those that stream, export lines, redirect or open a WebSocket. */
export type PlainOperation = { [N in RouteName]: [Data<N>] extends [never] ? never : N extends StreamingOperation ? never : N }[RouteName];
/** Operations that list, page by page. */
export type PagedOperation = {
  [N in PlainOperation]: Data<N> extends readonly unknown[] ? (Part<N, "query"> extends { limit?: number } ? N : never) : never;
}[PlainOperation];
export type Item<N extends PagedOperation> = Data<N> extends readonly (infer E)[] ? E : never;

export type Account = Data<"me">;
export type Approval = Data<"getApproval">;
export type NodeRun = Item<"listNodeExecutions">;
export type NodeType = Data<"getNode">;
export type Run = Data<"getExecution">;
export type RunEvent = Item<"listEvents">;
export type RunResult = Data<"getResult">;
export type Validation = Data<"validateGraph">;
export type Workflow = Data<"getWorkflow">;
export type WorkflowVersion = Data<"getVersion">;
