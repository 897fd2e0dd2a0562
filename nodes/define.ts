import type { Json } from "#core";
import type { NodeType } from "#graph";
import type { z } from "zod";
import type { CredentialValues } from "./credential-types.ts";

type Described<I extends z.ZodObject> = Omit<NodeType, "kind" | "inputs" | "routes"> & { readonly inputs: I };

export interface InlineContext {
  /** What arrived at the handle `input`. */
  readonly input: Json;
  /** The same by edge: one for each taken edge into `input`, in the order of the plan's edges. Where it is not given, `input` is all there is. */
  readonly arrivals?: readonly Arrival[];
}

/** The value of one taken edge. */
export interface Arrival {
  /** Its name in `input` where several edges arrive: the source's id, or `id.handle` where one source comes twice. */
  readonly key: string;
  readonly value: Json;
}

/** Runs in the workflow: synchronous, deterministic, no I/O; replayed. */
export interface InlineNode<I extends z.ZodObject = z.ZodObject, R extends string = string> extends Described<I> {
  readonly kind: "inline";
  readonly routes?: readonly R[] | ((inputs: Record<string, unknown>) => readonly R[]);
  run(inputs: z.output<I>, context: InlineContext): { value: unknown; route?: NoInfer<R> };
}

/** What an activity may do beside computing. Given by the worker; a test gives its own. */
export interface ActivityContext {
  readonly input: Json;
  /** What a JSONata input reads: the scope names of the compiled step. */
  readonly scope: Record<string, Json>;
  readonly tenantId: string;
  readonly runId: string;
  readonly nodeId: string;
  /** `run:node:iteration`, the same in every attempt; sent upstream where the service takes a key. */
  readonly idempotencyKey: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
  readonly providers: Readonly<Record<string, readonly LiveProvider[]>>;
  /** By the input that named it. */
  readonly credentials: Readonly<Record<string, LiveCredential>>;
  /** Streams a piece of text to whoever watches the run. */
  token(text: string): void;
  /** A line for the attempt's `logs` in the run's log. Lines beyond the limits of an attempt are left out. */
  log(line: string): void;
  readonly services: ActivityServices;
}

/** A provider plugged into a capability handle, its inputs evaluated and its secrets filled in. */
export interface LiveProvider {
  readonly id: string;
  readonly type: string;
  readonly inputs: Record<string, unknown>;
  readonly providers: Readonly<Record<string, readonly LiveProvider[]>>;
  readonly credentials: Readonly<Record<string, LiveCredential>>;
}

/** A credential, opened for one attempt. Its values are redacted from all that the node puts out. */
export interface LiveCredential {
  readonly id: string;
  readonly type: string;
  readonly values: CredentialValues;
}

/** Outside systems behind small interfaces; `integrations/` implements them. */
export interface ActivityServices {
  readonly http: HttpService;
  readonly models: ModelService;
  readonly jsonata: JsonataService;
  readonly sandbox: SandboxService;
}

export interface HttpService {
  /** One request through the outgoing guard. @throws PerdureError `outbound.refused`, `network.*`, `output.too_large`. */
  request(request: HttpRequestSpec, signal: AbortSignal): Promise<HttpResponse>;
}

export interface HttpRequestSpec {
  readonly tenantId: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body?: string | Uint8Array;
  readonly timeoutMs: number;
  readonly followRedirects: boolean;
  readonly verifyTls: boolean;
}

export interface HttpResponse {
  readonly status: number;
  /** Lower-case names; several values of one name joined by `, `. */
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
  readonly url: string;
}

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface ChatRequest {
  readonly tenantId: string;
  readonly provider: "openai";
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly temperature?: number;
  readonly maxTokens?: number;
  readonly topP?: number;
  readonly stop?: readonly string[];
  readonly responseSchema?: unknown;
  readonly baseUrl?: string;
  readonly apiKey?: string;
  readonly stream: boolean;
  readonly idempotencyKey: string;
  readonly timeoutMs: number;
}

export interface ChatResult {
  text: string;
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
  finish_reason: string;
  model: string;
  /** True where no key was there and the labelled mock model answered. */
  mock: boolean;
}

export interface ModelService {
  chat(request: ChatRequest, onToken: (text: string) => void, signal: AbortSignal): Promise<ChatResult>;
}

export interface JsonataService {
  /** Evaluates in a worker thread with limits. @throws PerdureError `expression.failed`. */
  evaluate(expression: string, scope: Record<string, Json>, signal: AbortSignal): Promise<Json>;
}

export interface SandboxService {
  /**
   * Runs JavaScript in an engine of its own that has nothing but the language, its parameters and what the program grants it.
   * @throws PerdureError `handler.rejected` for what the code throws; `code.failed` when it exceeds a limit or never ends; the failure of a
   *   `fetch` that the code did not catch; `output.too_large`; `validation.failed` for code that is too long; `configuration.invalid` where
   *   there is no sandbox.
   */
  run(program: SandboxProgram, signal: AbortSignal): Promise<Json>;
}

export interface SandboxProgram {
  /** Body of a function; what it returns may be a promise. It may wait for promises itself. */
  readonly code: string;
  /** Its parameters by name. */
  readonly parameters: Readonly<Record<string, Json>>;
  /** Of all it does, waiting included, in milliseconds. @default and at most what the operator allows */
  readonly timeoutMs?: number | undefined;
  /** Grants `fetch`. The signal aborts when the code has ended. */
  readonly fetch?: ((request: SandboxRequest, signal: AbortSignal) => Promise<SandboxResponse>) | undefined;
  /** Takes what the code prints. */
  log(line: string): void;
}

export interface SandboxRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

export interface SandboxResponse {
  readonly status: number;
  readonly url: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Runs once per attempt on a worker, with injected services. */
export interface ActivityNode<I extends z.ZodObject = z.ZodObject, R extends string = string> extends Described<I> {
  readonly kind: "activity";
  readonly routes?: readonly R[];
  readonly policy: { readonly timeout: string; readonly attempts?: number };
  /** Of a node whose `effect` depends on its inputs (as given, unparsed): whether this call may have one. Without one no receipt is kept. @default true */
  mayAct?(inputs: Readonly<Record<string, unknown>>): boolean;
  run(inputs: z.output<I>, context: ActivityContext): Promise<{ value: unknown; route?: NoInfer<R> }>;
}

/** Run by the interpreter itself: `workflows/control/<type>.ts`. */
export interface ControlNode<I extends z.ZodObject = z.ZodObject> extends Described<I> {
  readonly kind: "control";
  readonly routes?: readonly string[];
}

/** Where a run begins. Its value is what fired it. */
export interface TriggerNode<I extends z.ZodObject = z.ZodObject> extends Described<I> {
  readonly kind: "trigger";
}

/** A recipe, made live inside the activity that uses it. */
export interface ProviderNode<I extends z.ZodObject = z.ZodObject> extends Described<I> {
  readonly kind: "provider";
}

export type NodeDefinition = InlineNode | ActivityNode | ControlNode | TriggerNode | ProviderNode;

/** Declares a node type. One per file, as its default export; `npm run gen` puts it into the registries. */
export function defineNode<I extends z.ZodObject, R extends string>(node: InlineNode<I, R>): InlineNode<I, R>;
export function defineNode<I extends z.ZodObject, R extends string>(node: ActivityNode<I, R>): ActivityNode<I, R>;
export function defineNode<I extends z.ZodObject>(node: ControlNode<I>): ControlNode<I>;
export function defineNode<I extends z.ZodObject>(node: TriggerNode<I>): TriggerNode<I>;
export function defineNode<I extends z.ZodObject>(node: ProviderNode<I>): ProviderNode<I>;
export function defineNode(node: object): unknown {
  // Temporal's worker loads inline nodes once for all runs and freezes what their modules export, own properties only. A zod schema must stay
  // extensible (it makes its methods when they are first used), so the definition stands behind a prototype.
  return Object.create(node);
}
