import { ownProperty } from "#core";
import { isScopeRoot } from "../evaluate/scope.ts";
import type { Findings } from "../findings.ts";
import type { Nearest } from "../nearest.ts";
import type { Ref } from "../plan.ts";
import type { TemplateNames } from "../template/compile.ts";
import type { NodeRecord } from "./record.ts";
import type { BitRows } from "./topology.ts";

/** Ids that no node may have: they name other things in templates and expressions. */
export const RESERVED_IDS: ReadonlySet<string> = new Set(["item", "index", "input", "inputs", "variables", "run", "secrets", "errors", "env", "outer"]);

/** Names that mean something only inside a loop. */
const LOOP_ROOTS: ReadonlySet<string> = new Set(["item", "index", "outer"]);

/** What is known of the graph when a name is looked up. */
export interface Knowledge {
  readonly records: ReadonlyMap<string, NodeRecord>;
  /** Records that are plugged into others and have no value of their own. */
  readonly providers: ReadonlySet<NodeRecord>;
  readonly ancestors: BitRows;
  /** Places of nodes whose ancestors are not known, because of cycles or broken edges. */
  readonly uncertain: ReadonlySet<number>;
  /** Names the `Start` schemas declare; undefined where none does, or where more are allowed. */
  readonly declared: ReadonlySet<string> | undefined;
  readonly findings: Findings;
  readonly nearest: Nearest;
}

/** The names one node's inputs may read, seen from the step that runs them (its own, or the one it is plugged into). */
export class Names implements TemplateNames {
  readonly nearest: Nearest;
  /** Ids of the nodes that were read. */
  readonly reads = new Set<string>();
  /** Place of the string being read, within the node. */
  path = "";
  problems = 0;
  readonly #known: Knowledge;
  readonly #owner: NodeRecord;
  readonly #step: NodeRecord | undefined;
  readonly #secretsAllowed: boolean;

  constructor(known: Knowledge, owner: NodeRecord, step: NodeRecord | undefined, secretsAllowed: boolean) {
    this.#known = known;
    this.#owner = owner;
    this.#step = step;
    this.#secretsAllowed = secretsAllowed;
    this.nearest = known.nearest;
  }

  problem(code: string, message: string, hint?: string): void {
    this.problems++;
    this.#known.findings.problem(code, message, { node_id: this.#owner.node.id, path: this.path, hint });
  }

  warn(code: string, message: string, hint?: string): void {
    this.#known.findings.warn(code, message, { node_id: this.#owner.node.id, path: this.path, hint });
  }

  isNode(id: string): boolean {
    return this.#known.records.has(id);
  }

  secret(name: string | undefined, source: string): void {
    if (name === undefined) {
      this.problem("secret.invalid", `\`${source}\` names no secret.`, "A secret is written `{{secrets.NAME}}`.");
    } else if (!this.#secretsAllowed) {
      this.problem("secret.not_allowed", `${this.#owner.type?.type ?? "This node"} cannot hold a secret: it runs inside the workflow, whose history keeps what it reads.`, "Use the secret in the node that sends it.");
    }
  }

  /** @returns undefined where the name cannot be read; that has then been reported, unless `inBlock`. */
  resolve(parts: string[], source: string, inBlock: boolean): Ref | undefined {
    const [head = "", ...path] = parts;
    if (LOOP_ROOTS.has(head)) return this.#outsideLoop(head, path, source, inBlock);
    if (head === "errors") return this.#errors(path, source, inBlock);
    if (isScopeRoot(head)) {
      if (head === "inputs" && path[0] !== undefined) this.#declared(path[0], parts, source);
      return { root: head, path, source };
    }
    if (head === "secrets" || head === "env") {
      const hint = head === "env" ? "Settings of a run are `variables.NAME`, secrets `secrets.NAME`." : "A secret stands by itself in a text: `{{secrets.NAME}}`.";
      this.problem(head === "env" ? "reference.unknown" : "secret.in_expression", `\`${source}\` cannot be read here.`, hint);
      return undefined;
    }
    const node = this.#nodeNamed(parts);
    if (node) return this.#node(node.record, node.path, source, inBlock);
    if (!inBlock) this.#bare(head, parts, source);
    return { root: "bare", id: head, path, source };
  }

  /** Whether a node of this id can be read; notes that it is. */
  readsNode(record: NodeRecord): boolean {
    if (!this.#isBefore(record)) return false;
    this.reads.add(record.node.id);
    return true;
  }

  /** Ids of all steps before this one. */
  ancestors(): string[] {
    return [...this.#known.records.values()].filter((record) => !this.#known.providers.has(record) && this.#isCertainlyBefore(record)).map((record) => record.node.id);
  }

  record(id: string): NodeRecord | undefined {
    return this.#known.records.get(id);
  }

  /** An id may itself hold dots: the longest one that is a node wins. */
  #nodeNamed(parts: string[]): { record: NodeRecord; path: string[] } | undefined {
    for (let length = parts.length; length > 0; length--) {
      const record = this.#known.records.get(length === 1 ? (parts[0] ?? "") : parts.slice(0, length).join("."));
      if (record) return { record, path: parts.slice(length) };
    }
    return undefined;
  }

  #node(record: NodeRecord, path: string[], source: string, inBlock: boolean): Ref | undefined {
    const { id } = record.node;
    if (this.#known.providers.has(record)) {
      this.problem("reference.unknown", `\`${source}\` cannot be read: node \`${id}\` is plugged into another and has no value of its own.`);
      return undefined;
    }
    if (!this.readsNode(record)) {
      if (inBlock) return undefined;
      const reason = record === this.#step ? "a node cannot read its own value" : `node \`${id}\` cannot have run before this one`;
      this.problem("reference.too_early", `\`${source}\` cannot be read: ${reason}.`, record === this.#step ? undefined : `Only nodes from which edges lead here can be read; join \`${id}\` to it.`);
      return undefined;
    }
    const [first, ...rest] = path;
    const field = first === undefined ? undefined : ownProperty(record.type?.outputAliases, first);
    return { root: "node", id, path: typeof field === "string" ? [field, ...rest] : path, source };
  }

  #errors(path: string[], source: string, inBlock: boolean): Ref | undefined {
    if (path.length === 0) return { root: "errors", path, source };
    const node = this.#nodeNamed(path);
    if (!node) {
      this.problem("reference.unknown", `\`${source}\` cannot be read: there is no node \`${path[0]}\`.`, this.nearest.hint(path[0] ?? "", this.#known.records.keys()));
      return undefined;
    }
    if (!this.#isBefore(node.record) && !inBlock) {
      this.problem("reference.too_early", `\`${source}\` cannot be read: node \`${node.record.node.id}\` cannot have run before this one.`);
      return undefined;
    }
    return { root: "errors", id: node.record.node.id, path: node.path, source };
  }

  #outsideLoop(head: string, path: string[], source: string, inBlock: boolean): Ref {
    if (!inBlock && this.#known.declared?.has(head) !== true) {
      this.warn("reference.undeclared", `\`${source}\` is read as an input or variable of the run: \`${head}\` of a loop is only there inside its body.`);
    }
    return { root: "bare", id: head, path, source };
  }

  #declared(name: string, parts: string[], source: string): void {
    if (this.#known.declared === undefined || this.#known.declared.has(name)) return;
    const hint = this.nearest.hint(name, this.#known.declared);
    this.warn("reference.undeclared", `\`${source}\` may not be there: no Start schema declares an input \`${name}\`.`, parts.length > 0 ? hint : undefined);
  }

  #bare(head: string, parts: string[], source: string): void {
    const { declared, records } = this.#known;
    if (declared?.has(head)) return;
    const near = parts.length > 1 ? this.nearest.find(head, records.keys()) : undefined;
    if (declared !== undefined) {
      const hint = near ?? this.nearest.find(head, [...declared, ...records.keys()]);
      this.warn("reference.undeclared", `\`${source}\` is no node, and no Start schema declares an input \`${head}\`; it is read as an input or variable of the run.`, hint === undefined ? undefined : `Did you mean \`${hint}\`?`);
    } else if (near !== undefined) {
      this.warn("reference.undeclared", `\`${source}\` is no node; \`${head}\` is read as an input or variable of the run.`, `Did you mean the node \`${near}\`?`);
    }
  }

  #isBefore(record: NodeRecord): boolean {
    if (record === this.#step) return false;
    return this.#step === undefined || this.#known.uncertain.has(this.#step.at) || this.#isCertainlyBefore(record);
  }

  #isCertainlyBefore(record: NodeRecord): boolean {
    return this.#step !== undefined && this.#known.ancestors.has(this.#step.at, record.at);
  }
}
