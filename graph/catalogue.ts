import type { JsonObject } from "#core";
import type { z } from "zod";

/** What an edge into a handle carries: control with data, or a capability. */
export type Capability = "model" | "embedder" | "memory" | "tool" | "retriever" | "vector_store" | "splitter";

export interface CapabilityHandle {
  capability: Capability;
  required?: boolean;
  /** Takes several providers. */
  many?: boolean;
}

export interface BodyHandles {
  /** Where an iteration ends: an edge into `return` gives its value, one into `break` also ends the repetition. */
  readonly exits: readonly ("return" | "break")[];
  /** The input that is asked before each iteration. It sees `item` and `index` as the body does, and becomes `Step.while`. */
  readonly asks?: string;
}

/**
 * How a string input is read: as a template (the default), a CEL decision, a JSONata expression, or as it stands (`literal`), or as
 * JavaScript (`code`: the body of an async function of `input`, `inputs` and `variables`, which is only parsed; the node is given the latter two).
 */
export type Dialect = "template" | "cel" | "jsonata" | "code" | "literal";

/** What a retry can promise about an effect (A4, receipts). */
export type EffectGuarantee = "none" | "effectively_once" | "at_least_once";

/**
 * What the compiler must know of a node type. Plain data; `nodes/define.ts` adds what runs it. Behind an interface so that `graph/` needs no
 * catalogue of its own.
 */
export interface NodeType {
  readonly type: string;
  /** Other systems' names of the same type. */
  readonly aliases?: readonly string[];
  readonly kind: "trigger" | "inline" | "activity" | "control" | "provider";
  readonly category: string;
  readonly displayName: string;
  readonly description: string;
  readonly inputs: z.ZodObject;
  readonly outputs: z.ZodType;
  /** Alias → declared input. */
  readonly inputAliases?: Readonly<Record<string, string>>;
  /** Alias → field of the value. */
  readonly outputAliases?: Readonly<Record<string, string>>;
  /** Dialects by dotted input path, `*` for any index: `{ "cases.*.when": "cel" }`. Applies where the value there is a string. */
  readonly dialects?: Readonly<Record<string, Dialect>>;
  /** Inputs whose text is a secret, by dotted path: where it is written out instead of referred to, exports leave it out. */
  readonly confidential?: readonly string[];
  /** Inputs that take the id of a credential, by name, and which types of credentials each takes. */
  readonly credentials?: Readonly<Record<string, readonly string[]>>;
  /** Name of a boolean input that, when false, makes every other input literal. */
  readonly templatingSwitch?: string;
  /** The routes it chooses between; a function where they depend on its inputs (`Switch`). */
  readonly routes?: readonly string[] | ((inputs: Record<string, unknown>) => readonly string[]);
  /** Another name of the handle `output`. */
  readonly outputHandle?: string;
  /** `false`: nothing leaves it (`End`). */
  readonly terminal?: boolean;
  /** Of a type that owns a body: the nodes reached from its route `body`, which run once for each iteration. */
  readonly body?: BodyHandles;
  /** Inputs that are no handles, since what they are must be known before the run. */
  readonly fixedInputs?: readonly string[];
  /** Names that only one input may read, by that input: `{ reduce: ["items"] }`. */
  readonly ownNames?: Readonly<Record<string, readonly string[]>>;
  /** Flow handles besides `input`; a value that arrives there becomes the input of that name. Every declared input may be one. */
  readonly capabilities?: Readonly<Record<string, CapabilityHandle>>;
  /** What it may be plugged in as, of a provider (or of an activity that can be both). */
  readonly provides?: Capability;
  /** An activity that runs as a local activity (short, pure, not paid for). */
  readonly local?: boolean;
  readonly policy?: { readonly timeout?: string; readonly attempts?: number };
  readonly effect?: EffectGuarantee;
  /** Inputs that the compiler adds and no graph can give: what the type was when the graph was compiled, where it may change meanwhile. */
  readonly constants?: JsonObject;
  /** Set where a graph that uses the type cannot run yet; compiling says so. */
  readonly unavailable?: string;
}

export interface NodeCatalogue {
  /** By canonical name or alias. */
  get(type: string): NodeType | undefined;
  /** Canonical names and aliases. */
  names(): Iterable<string>;
}
