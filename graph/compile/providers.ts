import type { Findings } from "../findings.ts";
import type { ProviderRecipe } from "../plan.ts";
import { compileInputs } from "./inputs.ts";
import { type Knowledge, Names } from "./names.ts";
import type { NodeRecord, ResolvedEdge } from "./record.ts";

/** Providers plugged into providers. */
export const MAX_PROVIDER_DEPTH = 8;
/** Recipes of one plan, a provider counted once for each place it is plugged into. */
export const MAX_PROVIDER_RECIPES = 10_000;

/** Inlines what is plugged into a step, and into that. */
export class ProviderCompiler {
  readonly #known: Knowledge;
  readonly #plugs = new Map<NodeRecord, ResolvedEdge[]>();
  #left = MAX_PROVIDER_RECIPES;

  constructor(known: Knowledge, edges: readonly ResolvedEdge[]) {
    this.#known = known;
    for (const edge of edges) {
      if (edge.kind === "flow") continue;
      const plugs = this.#plugs.get(edge.target);
      if (plugs) plugs.push(edge);
      else this.#plugs.set(edge.target, [edge]);
    }
  }

  /** Reports capability handles that lack what they need, have too much, or something disabled. */
  checkHandles(record: NodeRecord, disabled: ReadonlySet<string>, excused: boolean): void {
    const { findings } = this.#known;
    const id = record.node.id;
    for (const [name, handle] of Object.entries(record.type?.capabilities ?? {})) {
      const plugs = (this.#plugs.get(record) ?? []).filter((edge) => edge.handle === name);
      if (plugs.length === 0 && handle.required && !excused) {
        findings.problem("capability.missing", `${record.type?.type} \`${id}\` needs a ${handle.capability} plugged into \`${name}\`.`, {
          node_id: id,
          path: `handles.${name}`,
        });
      }
      if (plugs.length > 1 && !handle.many) {
        findings.problem("capability.too_many", `\`${name}\` of ${record.type?.type} \`${id}\` takes one ${handle.capability}, not ${plugs.length}.`, {
          node_id: id,
          path: `handles.${name}`,
        });
      }
      for (const plug of plugs) {
        if (!handle.required || !disabled.has(plug.source.node.id)) continue;
        findings.problem("capability.disabled", `\`${plug.source.node.id}\` is disabled, but \`${id}\` cannot run without it.`, {
          node_id: plug.source.node.id,
          edge_id: plug.id,
        });
      }
    }
  }

  /** @returns what is plugged in, by handle; undefined where nothing is. `reads` grows by the nodes their inputs read. */
  recipes(record: NodeRecord, step: NodeRecord, disabled: ReadonlySet<string>, reads: Set<string>, depth = 0): Record<string, ProviderRecipe[]> | undefined {
    const plugs = this.#plugs.get(record);
    if (!plugs) return undefined;
    if (depth >= MAX_PROVIDER_DEPTH) {
      this.#known.findings.problem("limit.exceeded", `Providers are plugged into one another at most ${MAX_PROVIDER_DEPTH} deep.`, { node_id: record.node.id });
      return undefined;
    }
    const recipes: Record<string, ProviderRecipe[]> = {};
    for (const { source, handle } of plugs) {
      if (!source.type || disabled.has(source.node.id)) continue;
      if (--this.#left < 0) {
        this.#known.findings.problem(
          "limit.exceeded",
          `Providers are plugged in at most ${MAX_PROVIDER_RECIPES} times in a graph, each counted wherever it is used.`,
        );
        return undefined;
      }
      const recipe: ProviderRecipe = {
        ...compileProvider(source, step, this.#known, reads),
        id: source.node.id,
        type: source.type.type,
        name: source.node.name ?? source.type.displayName,
      };
      const inner = this.recipes(source, step, disabled, reads, depth + 1);
      if (inner !== undefined) recipe.providers = inner;
      const own = Object.hasOwn(recipes, handle) ? recipes[handle] : undefined;
      if (own) own.push(recipe);
      else recipes[handle] = [recipe];
    }
    return Object.keys(recipes).length > 0 ? recipes : undefined;
  }

  /** Checks the inputs of a provider that no step uses. */
  checkUnused(record: NodeRecord, findings: Findings): void {
    compileProvider(record, undefined, this.#known, new Set());
    findings.warn("provider.unused", `${record.type?.type} \`${record.node.id}\` is plugged into nothing that runs.`, { node_id: record.node.id });
  }
}

function compileProvider(record: NodeRecord, step: NodeRecord | undefined, known: Knowledge, reads: Set<string>): Pick<ProviderRecipe, "inputs"> {
  if (!record.type) return { inputs: { k: "lit", v: {} } };
  const names = new Names(known, record, step, true);
  const { compiled } = compileInputs(record, record.type, new Set(), names, known.findings);
  for (const id of names.reads) reads.add(id);
  return { inputs: compiled };
}
