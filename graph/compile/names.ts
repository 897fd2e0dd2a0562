import { ownProperty } from "#core";
import { isScopeRoot } from "../evaluate/scope.ts";
import type { Findings } from "../findings.ts";
import type { Nearest } from "../nearest.ts";
import type { Ref } from "../plan.ts";
import type { TemplateNames } from "../template/compile.ts";
import type { NodeRecord } from "./record.ts";
import { isWithin, type Region, type Regions } from "./regions.ts";
import type { BitRows } from "./topology.ts";

/** Ids that no node may have: they name other things in templates and expressions. */
export const RESERVED_IDS: ReadonlySet<string> = new Set(["item", "index", "input", "inputs", "variables", "run", "secrets", "errors", "env", "outer"]);

/** What is known of the graph when a name is looked up. */
export interface Knowledge {
  readonly records: ReadonlyMap<string, NodeRecord>;
  /** Records that are plugged into others and have no value of their own. */
  readonly providers: ReadonlySet<NodeRecord>;
  readonly ancestors: BitRows;
  readonly regions: Regions;
  /** Places of nodes whose ancestors are not known, because of cycles, broken edges or leaking bodies. */
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
  readonly reads: Set<string>;
  /** Place of the string being read, within the node. */
  path = "";
  problems = 0;
  readonly #known: Knowledge;
  readonly #owner: NodeRecord;
  readonly #step: NodeRecord | undefined;
  readonly #secretsAllowed: boolean;
  /** Iterations around what reads the names; undefined where that is not known. */
  readonly #loops: number | undefined;

  constructor(known: Knowledge, owner: NodeRecord, step: NodeRecord | undefined, secretsAllowed: boolean, inside?: Names) {
    this.#known = known;
    this.#owner = owner;
    this.#step = step;
    this.#secretsAllowed = secretsAllowed;
    this.nearest = known.nearest;
    this.reads = inside?.reads ?? new Set();
    const loops = step === undefined ? undefined : known.regions.of(step)?.loops;
    this.#loops = loops === undefined ? undefined : inside === undefined ? loops : loops + 1;
  }

  /** The names that an input sees which is asked in each iteration of the node: its own `item` and `index`, no node of its body. */
  perIteration(): Names {
    return new Names(this.#known, this.#owner, this.#step, this.#secretsAllowed, this);
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
      this.problem(
        "secret.not_allowed",
        `${this.#owner.type?.type ?? "This node"} cannot hold a secret: it runs inside the workflow, whose history keeps what it reads.`,
        "Use the secret in the node that sends it.",
      );
    }
  }

  /** @returns undefined where the name cannot be read; that has then been reported, unless `inBlock`. */
  resolve(parts: string[], source: string, inBlock: boolean): Ref | undefined {
    const [head = "", ...path] = parts;
    if (head === "item" || head === "index" || head === "outer") return this.#ofLoop(head, path, source, inBlock);
    if (head === "errors") return this.#errors(path, source, inBlock);
    if (isScopeRoot(head)) {
      if (head === "inputs" && path[0] !== undefined) this.#declared(path[0], parts, source);
      return { root: head, path, source };
    }
    if (head === "secrets" || head === "env") {
      const hint =
        head === "env" ? "Settings of a run are `variables.NAME`, secrets `secrets.NAME`." : "A secret stands by itself in a text: `{{secrets.NAME}}`.";
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
    return [...this.#known.records.values()]
      .filter((record) => !this.#known.providers.has(record) && this.#isCertainlyBefore(record))
      .map((record) => record.node.id);
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
      const { reason, hint } = this.#whyNot(record);
      this.problem("reference.too_early", `\`${source}\` cannot be read: ${reason}.`, hint);
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
      this.problem(
        "reference.unknown",
        `\`${source}\` cannot be read: there is no node \`${path[0]}\`.`,
        this.nearest.hint(path[0] ?? "", this.#known.records.keys()),
      );
      return undefined;
    }
    if (!this.#isBefore(node.record) && !inBlock) {
      this.problem("reference.too_early", `\`${source}\` cannot be read: ${this.#whyNot(node.record).reason}.`);
      return undefined;
    }
    return { root: "errors", id: node.record.node.id, path: node.path, source };
  }

  /** `outer.outer.index`: each `outer` is one loop further out. */
  #ofLoop(head: "item" | "index" | "outer", path: string[], source: string, inBlock: boolean): Ref | undefined {
    const loops = this.#loops;
    if (loops === undefined) return { root: head, path, source };
    if (loops === 0 || (head === "outer" && loops === 1)) return this.#outsideLoop(head, path, source, inBlock);
    if (head !== "outer") return { root: head, path, source };
    let up = 0;
    while (path[up] === "outer") up++;
    const field = path[up];
    if (up + 1 < loops && (field === undefined || field === "item" || field === "index")) return { root: head, path, source };
    if (inBlock) return undefined;
    const reason = up + 1 < loops ? `\`outer\` has \`item\` and \`index\`, no \`${field}\`` : `it goes further out than the ${loops} loops around this node`;
    this.problem("reference.unknown", `\`${source}\` cannot be read: ${reason}.`);
    return undefined;
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
      this.warn(
        "reference.undeclared",
        `\`${source}\` is no node, and no Start schema declares an input \`${head}\`; it is read as an input or variable of the run.`,
        hint === undefined ? undefined : `Did you mean \`${hint}\`?`,
      );
    } else if (near !== undefined) {
      this.warn(
        "reference.undeclared",
        `\`${source}\` is no node; \`${head}\` is read as an input or variable of the run.`,
        `Did you mean the node \`${near}\`?`,
      );
    }
  }

  #isBefore(record: NodeRecord): boolean {
    if (record === this.#step) return false;
    return this.#step === undefined || this.#known.uncertain.has(this.#step.at) || this.#isCertainlyBefore(record);
  }

  /** Has run before it in every run, in the same iteration or around it. */
  #isCertainlyBefore(record: NodeRecord): boolean {
    if (this.#step === undefined || !this.#known.ancestors.has(this.#step.at, record.at)) return false;
    const { regions } = this.#known;
    const [here, there] = [regions.of(this.#step), regions.of(record)];
    if (here === undefined || there === undefined) return true;
    const body = regions.body(record);
    return isWithin(here, there) && (body === undefined || !isWithin(here, body));
  }

  #whyNot(record: NodeRecord): { reason: string; hint?: string } {
    const { id } = record.node;
    const asks = record.type?.body?.asks !== undefined;
    const own = asks ? { hint: "What the iteration before returned is `item`." } : {};
    if (record === this.#step) return { reason: "a node cannot read its own value", ...own };
    const { regions } = this.#known;
    const here = this.#step === undefined ? undefined : regions.of(this.#step);
    const body = regions.body(record);
    if (here && body && isWithin(here, body)) return { reason: `\`${id}\` has no value before its iterations have ended`, ...own };
    const border = here && this.#borderAround(record, here);
    if (border?.owner && !this.#isCertainlyBefore(border.owner)) return { reason: `node \`${id}\` cannot have run before this one` };
    if (border?.kind === "body" && border.owner) {
      const owner = border.owner.node.id;
      const value = border.owner.type?.body?.exits.includes("break")
        ? `{{${owner}.last}}\`, what the last iteration returned`
        : `{{${owner}}}\`, the list of what the iterations returned`;
      return { reason: `node \`${id}\` runs once in each iteration of \`${owner}\``, hint: `After the repetition read \`${value}.` };
    }
    if (border?.kind === "compensate") return { reason: `node \`${id}\` runs only to undo \`${border.owner?.node.id}\`` };
    const tail = this.#leadsTo(record) ? "" : `; join \`${id}\` to it`;
    return { reason: `node \`${id}\` cannot have run before this one`, hint: `Only nodes from which edges lead here can be read${tail}.` };
  }

  /** Whether edges lead to a node from this one, or from what repeats or undoes it: an edge back would be a circle. */
  #leadsTo(record: NodeRecord): boolean {
    const { ancestors, regions } = this.#known;
    const there = regions.of(record);
    if (this.#step !== undefined && ancestors.has(record.at, this.#step.at)) return true;
    for (let region = this.#step && regions.of(this.#step); region; region = region.parent) {
      if (region.owner && there && !isWithin(there, region) && ancestors.has(record.at, region.owner.at)) return true;
    }
    return false;
  }

  /** The outermost region around a node that is not also around `here`. */
  #borderAround(record: NodeRecord, here: Region): Region | undefined {
    let border: Region | undefined;
    for (let region = this.#known.regions.of(record); region && !isWithin(here, region); region = region.parent) border = region;
    return border;
  }
}
