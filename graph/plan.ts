import type { Finding, Json, JsonObject } from "#core";

/**
 * What a graph compiles to, and all that a run needs to know of it: JSON, recorded at the start of the run, so that neither an edit of the
 * graph nor a deploy that changes a default reaches a run that has begun.
 */
export interface Plan extends Body {
  format_version: 1;
  settings: PlanSettings;
  entries: Entries;
  /** JSON schema of the run's inputs, from the `Start` that declares one. */
  inputs_schema?: JsonObject;
}

export interface PlanSettings {
  execution: "standard" | "express";
  /** Steps running at once, maps included. 1 to 50. */
  max_parallel: number;
  /** Of the whole run, from its start. */
  deadline_ms?: number;
  /** What a run that failed or was cancelled may take to undo what it has done; an hour where it is not given. */
  cleanup_ms?: number;
  /** 1 (first) to 5, within an organization. */
  priority?: number;
  concurrency?: ConcurrencySettings;
}

/** How many runs of the workflow are under way at once. The others are queued. */
export interface ConcurrencySettings {
  limit: number;
  /** Runs that may be queued; a start beyond them is refused. Absent: as many as the organization may have. */
  max_queued?: number;
  /** Runs for which it comes to the same text share the limit, others do not. Reads inputs and variables. */
  key?: Compiled;
  /** A run that waits for a person, an event or a timer keeps its slot. */
  hold_while_waiting?: true;
}

/**
 * Steps in topological order and the flow edges between them. What hangs from a step (a loop's body, a compensation) is one of its own, at
 * that step: it holds neither the step nor an edge of the graph around it. Edges that enter it have the step as `source`; those that end an
 * iteration have it as `target`, with the handle `return` or `break`. Indices in `Step.in` and `Step.out` are into the `edges` beside it.
 */
export interface Body {
  steps: Step[];
  edges: PlanEdge[];
}

export interface PlanEdge {
  id: string;
  source: string;
  /** The source handle: `output` of a node without routes, a route, or `error`. */
  route: string;
  target: string;
  /** The target handle: `input`, or the input the value becomes. */
  handle: string;
}

/** Where runs may begin (graph.md 3). */
export interface Entries {
  /** Ids that fire when a person or the API starts the run without naming one. */
  manual: string[];
  /** Why there is no such set, where there is none: the run request must name one of `triggers`. */
  manual_problem?: Finding;
  /** Every node that may be named as entry. */
  triggers: string[];
}

export type StepKind = "trigger" | "inline" | "activity" | "control";

export interface Step {
  id: string;
  /** Canonical type; aliases are resolved. */
  type: string;
  name: string;
  kind: StepKind;
  /** An activity that runs as a local activity. */
  local?: true;
  /** One value per declared input, defaults filled in. */
  inputs: Compiled;
  /** Indices into the body's `edges`. */
  in: number[];
  out: number[];
  /** The routes it chooses one of, `error`, `compensate` and a loop's `body` not among them; absent on a node that leaves by `output`. */
  routes?: string[];
  join: "all" | "any";
  on_error: "fail" | "continue" | "branch";
  /** Of what may be tried again: activities, and loops and maps for what they reduce with. Absent on all else, since a plan travels with every run. */
  policy?: StepPolicy;
  disabled?: true;
  pinned_output?: { value: Json };
  cache?: { ttl_ms: number; key?: Compiled };
  /** What is plugged into its capability handles, by handle. */
  providers?: Record<string, ProviderRecipe[]>;
  /** Names a JSONata or code input reads; handed to the activity as `scope`. Names that only the input has (`items` of `reduce`) are not among them. */
  scope_roots?: string[];
  /**
   * Ids of nodes beside it or around it whose values it reads, in its inputs or in what hangs from it: their outputs are kept until it has
   * settled, and what `compensate` reads until the run has ended.
   */
  reads: string[];
  /** Other names under which fields of its value may be read. */
  output_aliases?: Record<string, string>;
  /** Of a loop or map: what runs in each iteration. May be empty. */
  body?: Body;
  /** Of a loop: asked before each iteration, with its `item` and `index` and no node of the body. Gives a boolean, or a structured decision as `Condition` takes it. */
  while?: Compiled;
  /** What undoes it: entered by the route `compensate`, read as if it came after the step. */
  compensate?: Body;
}

export interface StepPolicy {
  /** Failures of the handler, not of workers or databases. */
  maximum_attempts: number;
  initial_interval_ms: number;
  backoff_coefficient: number;
  maximum_interval_ms: number;
  /** Failure codes that are not tried again, besides those the table says. */
  non_retryable: string[];
  /** One attempt. */
  timeout_ms: number;
  /** All attempts. */
  deadline_ms: number;
}

export interface ProviderRecipe {
  id: string;
  type: string;
  name: string;
  inputs: Compiled;
  providers?: Record<string, ProviderRecipe[]>;
}

/** An input as far as it is known before the run: literals, and trees to evaluate over the scope. */
export type Compiled =
  | { k: "lit"; v: Json }
  | { k: "list"; items: Compiled[] }
  | { k: "object"; fields: [key: string, value: Compiled][] }
  /** A string that is one expression: keeps the type of what it names. */
  | { k: "ref"; ref: Ref }
  /** A string that is one helper call (`{{default x 3}}`): keeps the type of its result. */
  | { k: "expr"; expr: TemplateExpression }
  /** Any other template: makes a string. */
  | { k: "text"; body: TemplateNode[] }
  /** A string that is one secret. */
  | { k: "secret"; name: string }
  /** A CEL decision. `roots` are the scope names it reads. Source text, since the parser gives no storable program; parsed once per run. */
  | { k: "cel"; source: string; roots: string[] };

/** A name in the scope, decided when the graph is compiled. */
export interface Ref {
  root: "item" | "index" | "outer" | "input" | "node" | "inputs" | "variables" | "run" | "errors" | "bare" | "local";
  /** The node's id (`node`, `errors`), the bare name (`bare`), a block's own name (`local`: `this`, `@index`, a block parameter …). */
  id?: string;
  /** Of a `local`: how many blocks outwards, 0 = the innermost. */
  up?: number;
  path: (string | number)[];
  /** As written, for messages. */
  source: string;
}

/** A Handlebars template, parsed. Evaluated without prototypes, functions of the user's, or code generation. */
export type TemplateNode =
  | { t: "text"; text: string }
  | { t: "value"; expr: TemplateExpression }
  | { t: "secret"; name: string }
  | {
      t: "block";
      helper: string;
      params: TemplateExpression[];
      hash: [string, TemplateExpression][];
      locals: string[];
      body: TemplateNode[];
      inverse: TemplateNode[];
    };

export type TemplateExpression =
  | { e: "lit"; v: Json }
  | { e: "ref"; ref: Ref }
  /** A plain name inside a block: a field of the block's `this` if it has one, else the name in the scope. */
  | { e: "either"; local: Ref; outer: Ref }
  | { e: "call"; helper: string; params: TemplateExpression[]; hash: [string, TemplateExpression][] };

/** Where in evaluated inputs a secret belongs; filled inside the activity only. Out of band, so that no value can look like one. */
export interface SecretSlot {
  path: (string | number)[];
  parts: (string | { secret: string })[];
}
