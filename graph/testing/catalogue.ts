/** A small catalogue and a scope for tests of this folder; the product's own types live in `nodes/`. */
import type { Json } from "#core";
import { z } from "zod";
import type { NodeCatalogue, NodeType } from "../catalogue.ts";
import type { NodeReading, Scope } from "../evaluate/scope.ts";

type Draft = Partial<NodeType> & Pick<NodeType, "type" | "kind">;

function nodeType(draft: Draft): NodeType {
  return { category: "test", displayName: draft.type, description: "", inputs: z.object({}), outputs: z.unknown(), ...draft };
}

const decision: z.ZodType<Json> = z.union([
  z.boolean(),
  z.string(),
  z.object({ left: z.unknown(), operator: z.enum(["equals", "greater_than"]), right: z.unknown() }),
]) as z.ZodType<Json>;

const types: NodeType[] = [
  nodeType({ type: "Start", kind: "trigger", aliases: ["StartNode"], inputs: z.object({ schema: z.record(z.string(), z.unknown()).optional() }) }),
  nodeType({
    type: "WebhookTrigger",
    kind: "trigger",
    outputHandle: "webhook_data",
    inputs: z.object({
      authentication_required: z.boolean().default(true),
      allowed_event_types: z.array(z.string()).default([]),
      max_payload_size: z.number().int().positive().default(1024),
      rate_limit_per_minute: z.number().int().positive().default(60),
    }),
  }),
  nodeType({
    type: "TimerStartNode",
    kind: "trigger",
    outputHandle: "timer_data",
    inputs: z.object({
      schedule_type: z.enum(["cron", "interval", "once", "manual"]),
      cron_expression: z.string().optional(),
      timezone: z.string().default("UTC"),
      auto_trigger_workflow: z.boolean().default(true),
      max_executions: z.number().int().min(0).default(0),
      retry_on_failure: z.boolean().default(false),
    }),
  }),
  nodeType({ type: "End", kind: "inline", aliases: ["EndNode"], terminal: true, inputs: z.object({ value: z.unknown().optional() }) }),
  nodeType({
    type: "Set",
    kind: "inline",
    inputs: z.object({ values: z.record(z.string(), z.unknown()).default({}), keep_input: z.boolean().default(false) }),
  }),
  nodeType({ type: "Template", kind: "inline", aliases: ["PromptTemplate"], inputs: z.object({ template: z.string() }) }),
  nodeType({ type: "Condition", kind: "inline", routes: ["true", "false"], inputs: z.object({ condition: decision }), dialects: { condition: "cel" } }),
  nodeType({
    type: "Switch",
    kind: "inline",
    inputs: z.object({ cases: z.array(z.object({ when: z.union([z.boolean(), z.string()]) })).min(1) }),
    dialects: { "cases.*.when": "cel" },
    routes: (inputs) => [...(inputs["cases"] as unknown[]).map((_, index) => `case:${index}`), "default"],
  }),
  nodeType({
    type: "Transform",
    kind: "activity",
    local: true,
    inputs: z.object({ expression: z.string().min(1) }),
    dialects: { expression: "jsonata" },
    policy: { timeout: "15s" },
  }),
  nodeType({ type: "Code", kind: "activity", local: true, inputs: z.object({ code: z.string().min(1) }), dialects: { code: "code" } }),
  nodeType({
    type: "HttpRequest",
    kind: "activity",
    aliases: ["http_request"],
    inputs: z.object({
      method: z.enum(["GET", "POST"]).default("GET"),
      url: z.string().min(1),
      headers: z.record(z.string(), z.string()).default({}),
      body: z.unknown().optional(),
      timeout: z.number().positive().optional(),
      enable_templating: z.boolean().default(true),
    }),
    inputAliases: { verify_ssl: "verify_tls" },
    outputAliases: { status_code: "status", response: "body" },
    templatingSwitch: "enable_templating",
    policy: { timeout: "5m", attempts: 4 },
  }),
  nodeType({
    type: "OpenAINode",
    kind: "activity",
    aliases: ["OpenAIChat"],
    provides: "model",
    inputs: z.object({
      model: z.string().default("gpt-4o-mini"),
      temperature: z.number().min(0).max(2).optional(),
      max_tokens: z.number().int().positive().optional(),
      system: z.string().optional(),
      stream: z.boolean().default(false),
      prompt: z.string().optional(),
      stop: z.array(z.string()).optional(),
    }),
    inputAliases: { system_message: "system", enable_streaming: "stream" },
    outputAliases: { content: "text" },
  }),
  nodeType({
    type: "Agent",
    kind: "activity",
    inputs: z.object({ goal: z.string() }),
    capabilities: { model: { capability: "model", required: true }, tools: { capability: "tool", many: true }, memory: { capability: "memory" } },
  }),
  nodeType({ type: "BufferMemory", kind: "provider", provides: "memory", inputs: z.object({ size: z.number().default(10), key: z.string().optional() }) }),
  nodeType({ type: "Retriever", kind: "provider", provides: "retriever", capabilities: { store: { capability: "vector_store", required: true } } }),
  nodeType({ type: "Store", kind: "provider", provides: "vector_store", inputs: z.object({ collection: z.string() }) }),
  nodeType({ type: "RetrievalQA", kind: "activity", capabilities: { retriever: { capability: "retriever", required: true } } }),
  nodeType({ type: "HumanInput", kind: "control", routes: ["output", "timeout"], inputs: z.object({ prompt: z.string().default("") }) }),
  nodeType({ type: "Open", kind: "inline", inputs: z.looseObject({}) }),
  nodeType({
    type: "Loop",
    kind: "control",
    routes: ["body", "done"],
    body: { exits: ["return", "break"], asks: "while" },
    fixedInputs: ["while"],
    inputs: z
      .object({ while: decision.optional(), times: z.number().optional(), max_iterations: z.number().default(1_000) })
      .refine((inputs) => inputs.while !== undefined || inputs.times !== undefined, "give `times` or `while`"),
    dialects: { while: "cel" },
  }),
  nodeType({
    type: "MapReduce",
    kind: "control",
    aliases: ["ForEach"],
    routes: ["body", "done"],
    body: { exits: ["return"] },
    fixedInputs: ["reduce"],
    ownNames: { reduce: ["items"] },
    inputs: z.object({ items: z.array(z.unknown()), concurrency: z.number().default(10), reduce: z.string().optional() }),
    dialects: { reduce: "jsonata" },
  }),
  nodeType({
    type: "SubWorkflow",
    kind: "control",
    aliases: ["ExecuteWorkflow"],
    inputs: z.object({
      workflow_id: z.string(),
      version: z.union([z.number(), z.literal("latest")]).optional(),
      inputs: z.record(z.string(), z.unknown()).optional(),
    }),
    inputAliases: { flow_id: "workflow_id" },
    dialects: { workflow_id: "literal" },
    fixedInputs: ["workflow_id", "version"],
  }),
  nodeType({ type: "Later", kind: "control", routes: ["body", "done"], body: { exits: ["return"] }, unavailable: "it arrives with the next release." }),
];

const byName = new Map(types.flatMap((type) => [type.type, ...(type.aliases ?? [])].map((name) => [name, type] as const)));

export const testCatalogue: NodeCatalogue = { get: (name) => byName.get(name), names: () => byName.keys() };

export interface ScopeDraft extends Partial<Omit<Scope, "node">> {
  nodes?: Record<string, NodeReading | Json>;
}

const STATES: ReadonlySet<unknown> = new Set(["value", "skipped", "absent"]);

/** @param draft - A node given as plain JSON has that value. */
export function scopeOf({ nodes = {}, ...rest }: ScopeDraft = {}): Scope {
  return {
    input: null,
    inputs: {},
    variables: {},
    run: { id: "run-1" },
    errors: {},
    ...rest,
    node: (id) => {
      const found = Object.hasOwn(nodes, id) ? nodes[id] : undefined;
      if (found === undefined) return { state: "absent" };
      return typeof found === "object" && found !== null && "state" in found && STATES.has(found.state)
        ? (found as NodeReading)
        : { state: "value", value: found as Json };
    },
  };
}
