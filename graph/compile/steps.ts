import type { Findings } from "../findings.ts";
import type { Compiled, ProviderRecipe, Step, StepKind } from "../plan.ts";
import { compileTemplate } from "../template/compile.ts";
import { compileInputs } from "./inputs.ts";
import { type Knowledge, Names } from "./names.ts";
import type { ProviderCompiler } from "./providers.ts";
import { BODY_ROUTE, DEFAULT_HANDLE, ERROR_ROUTE, type NodeRecord, type ResolvedEdge } from "./record.ts";
import type { NodeSettings } from "./settings.ts";

/** What a step is made of before its edges are numbered. */
export interface StepParts {
  inputs: Compiled;
  scopeRoots: string[] | undefined;
  asked: Compiled | undefined;
  reads: Set<string>;
  providers: Record<string, ProviderRecipe[]> | undefined;
  settings: NodeSettings;
  onError: Step["on_error"];
  cache: Step["cache"];
}

export interface StepContext {
  known: Knowledge;
  plugs: ProviderCompiler;
  settings: NodeSettings;
  disabled: ReadonlySet<string>;
  /** Flow edges. */
  in: readonly ResolvedEdge[];
  out: readonly ResolvedEdge[];
}

export function compileStep(record: NodeRecord, context: StepContext): StepParts {
  const { known, settings } = context;
  const type = record.type;
  if (!type) throw new TypeError("a step has a type");
  const names = new Names(known, record, record, type.kind === "activity");
  const arriving = new Set(context.in.map((edge) => edge.handle).filter((handle) => handle !== DEFAULT_HANDLE));
  const { compiled, scopeRoots, asked } = compileInputs(record, type, arriving, names, known.findings);
  const cache = compileCache(record, context, names);
  const providers = context.plugs.recipes(record, record, context.disabled, names.reads);
  if (settings.disabled) known.findings.warn("node.disabled", `Node \`${record.node.id}\` is disabled: it passes its input on.`, { node_id: record.node.id });
  return { inputs: compiled, scopeRoots, asked, reads: names.reads, providers, settings, onError: onErrorOf(record, context), cache };
}

/** Undefined, with a warning, where the call may be undone: a later run would take the result of what is no more. */
function compileCache(record: NodeRecord, { known, settings }: StepContext, names: Names): Step["cache"] {
  if (settings.cache === undefined) return undefined;
  const { ttl_ms, key } = settings.cache;
  names.path = "settings.cache.key";
  const compiled = key === undefined ? undefined : compileTemplate(key, names);
  const { id } = record.node;
  const undone = undoneWith(record, known);
  if (undone !== undefined) {
    const why = undone === id ? "the node has a handle `compensate`" : `\`${undone}\` around the node has a handle \`compensate\``;
    known.findings.warn("settings.no_effect", `\`cache\` has no effect: ${why}, and what has been undone is no result for another run.`, {
      node_id: id,
      path: "settings.cache",
    });
    return undefined;
  }
  return { ttl_ms, ...(compiled !== undefined && { key: compiled }) };
}

/** The node, or the loop or map around it, that something compensates. */
function undoneWith(record: NodeRecord, { regions }: Knowledge): string | undefined {
  if (regions.compensation(record)) return record.node.id;
  for (let region = regions.of(record); region?.owner; region = region.parent) {
    if (region.kind === "body" && regions.compensation(region.owner)) return region.owner.node.id;
  }
  return undefined;
}

function onErrorOf(record: NodeRecord, { known, settings, out }: StepContext): Step["on_error"] {
  const where = { node_id: record.node.id, path: "settings.on_error" };
  const branches = out.some((edge) => edge.route === ERROR_ROUTE);
  const given = settings.on_error;
  if (branches && given !== undefined && given !== "branch") {
    known.findings.warn(
      "settings.overridden",
      `An edge leaves \`error\` of \`${record.node.id}\`, so a failure takes it; \`on_error: ${given}\` is ignored.`,
      where,
    );
  }
  if (branches) return "branch";
  if (given === "branch") {
    known.findings.warn("settings.no_error_edge", `\`on_error: branch\` of \`${record.node.id}\` has no edge from \`error\`: a failure ends there.`, where);
  }
  if (given === "continue" && record.routes !== undefined && record.routes !== "unknown") {
    known.findings.problem(
      "settings.invalid",
      `\`on_error: continue\` cannot be used on ${record.type?.type} \`${record.node.id}\`: after a failure there is no route to choose.`,
      { ...where, hint: "Draw an edge from `error` instead." },
    );
  }
  return given ?? "fail";
}

export function assembleStep(record: NodeRecord, parts: StepParts, incoming: number[], outgoing: number[]): Step {
  const { type, node, routes } = record;
  if (!type) throw new TypeError("a step has a type");
  const { settings } = parts;
  const step: Step = {
    id: node.id,
    type: type.type,
    name: node.name ?? type.displayName,
    kind: type.kind as StepKind,
    inputs: parts.inputs,
    in: incoming,
    out: outgoing,
    join: settings.join,
    on_error: parts.onError,
    ...((type.kind === "activity" || type.kind === "control") && { policy: settings.policy }),
    reads: [...parts.reads],
  };
  if (type.local || settings.isLocal) step.local = true;
  if (routes !== undefined && routes !== "unknown") step.routes = routes.filter((route) => type.body === undefined || route !== BODY_ROUTE);
  if (parts.asked) step.while = parts.asked;
  if (settings.disabled) step.disabled = true;
  if (settings.pinned_output) step.pinned_output = settings.pinned_output;
  if (parts.cache) step.cache = parts.cache;
  if (parts.providers) step.providers = parts.providers;
  if (parts.scopeRoots) step.scope_roots = parts.scopeRoots;
  if (type.outputAliases && Object.keys(type.outputAliases).length > 0) step.output_aliases = { ...type.outputAliases };
  return step;
}

/** Warns of values that are computed for nothing: no edge takes them on, no node reads them, and they are not the run's result. */
export function checkOutputs(steps: readonly NodeRecord[], flow: readonly ResolvedEdge[], parts: ReadonlyMap<NodeRecord, StepParts>, findings: Findings): void {
  if (!steps.some((step) => step.type?.terminal)) return;
  const left = new Set(flow.map((edge) => edge.source));
  const read = new Set([...parts.values()].flatMap((part) => [...part.reads]));
  for (const step of steps) {
    if (step.type?.kind !== "inline" || step.type.terminal || left.has(step) || read.has(step.node.id)) continue;
    findings.warn("output.unused", `Nothing uses the value of node \`${step.node.id}\`.`, { node_id: step.node.id });
  }
}
