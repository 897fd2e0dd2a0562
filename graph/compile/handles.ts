import type { Capability, CapabilityHandle, NodeType } from "../catalogue.ts";
import type { Findings } from "../findings.ts";
import type { Nearest } from "../nearest.ts";
import { inputNamed, isOpen } from "../normalise.ts";
import type { GraphEdge } from "../parse.ts";
import { COMPENSATE_ROUTE, DEFAULT_HANDLE, DEFAULT_ROUTE, ERROR_ROUTE, type NodeRecord, type ResolvedEdge } from "./record.ts";

export interface EdgeContext {
  readonly records: ReadonlyMap<string, NodeRecord>;
  /** Ids of nodes that are there but cannot be read. */
  readonly malformed: ReadonlySet<string>;
  readonly findings: Findings;
  readonly nearest: Nearest;
}

export interface ResolvedEdges {
  edges: ResolvedEdge[];
  /** Ids of nodes at the sound end of a broken edge: what comes before or after them is not known. */
  loose: Set<string>;
}

/** Gives every edge its handles and kind; reports what does not fit. */
export function resolveEdges(edges: readonly GraphEdge[], context: EdgeContext): ResolvedEdges {
  const loose = new Set<string>();
  const resolved: ResolvedEdge[] = [];
  const ids = new Set(edges.map((edge) => edge.id).filter((id) => id !== undefined));
  const named = new Set<string>();
  const joined = new Set<string>();
  for (const edge of edges) {
    const id = edge.id ?? unusedId(edge, ids);
    if (edge.id !== undefined && named.has(edge.id))
      context.findings.problem("edge.duplicate_id", `Two edges have the id \`${edge.id}\`.`, { edge_id: edge.id, path: `edges.${edge.index}.id` });
    named.add(id);
    const source = context.records.get(edge.source);
    const target = context.records.get(edge.target);
    if (!source || !target) {
      dangling(edge, id, source, target, context);
      if (target) loose.add(target.node.id);
      continue;
    }
    const ends = resolveEnds(edge, id, source, target, context);
    if (leadsNowhere(target, ends)) {
      loose.add(target.node.id);
      continue;
    }
    const key = JSON.stringify([edge.source, ends.route, edge.target, ends.handle]);
    if (joined.has(key)) {
      context.findings.problem("edge.duplicate", `\`${edge.source}\` is already joined to \`${edge.target}\` by the same handles.`, {
        edge_id: id,
        path: `edges.${edge.index}`,
      });
      continue;
    }
    joined.add(key);
    resolved.push({ edge, id, source, target, ...ends });
  }
  return { edges: resolved, loose };
}

/** An edge into an unknown handle of a loop may have been meant to end an iteration: then it is in no circle. */
function leadsNowhere({ type, checked }: NodeRecord, { kind, handle }: Pick<ResolvedEdge, "kind" | "handle">): boolean {
  return kind === "flow" && checked && type?.body !== undefined && flowHandle(type, handle) === undefined;
}

function unusedId(edge: GraphEdge, taken: Set<string>): string {
  const base = `${edge.source}->${edge.target}`;
  let id = base;
  for (let count = 2; taken.has(id); count++) id = `${base}#${count}`;
  taken.add(id);
  return id;
}

function dangling(edge: GraphEdge, id: string, source: NodeRecord | undefined, target: NodeRecord | undefined, context: EdgeContext): void {
  for (const [end, name, record, other] of [
    ["source", edge.source, source, edge.target],
    ["target", edge.target, target, edge.source],
  ] as const) {
    if (record || context.malformed.has(name)) continue;
    const hint = context.nearest.hint(
      name,
      [...context.records.keys()].filter((known) => known !== other),
    );
    context.findings.problem("edge.dangling", `The edge \`${id}\` has no ${end}: there is no node \`${name}\`.`, {
      edge_id: id,
      path: `edges.${edge.index}.${end}`,
      hint,
    });
  }
}

function resolveEnds(
  edge: GraphEdge,
  id: string,
  source: NodeRecord,
  target: NodeRecord,
  context: EdgeContext,
): Pick<ResolvedEdge, "kind" | "route" | "handle"> {
  const { kind, handle } = targetEnd(edge, id, source, target, context);
  if (kind !== "flow") return { kind, handle, route: DEFAULT_ROUTE };
  return { kind, handle, route: sourceEnd(edge, id, source, context) };
}

function targetEnd(edge: GraphEdge, id: string, source: NodeRecord, target: NodeRecord, context: EdgeContext): Pick<ResolvedEdge, "kind" | "handle"> {
  const wanted = edge.targetHandle ?? DEFAULT_HANDLE;
  if (!target.type || !target.checked) return { kind: isProvider(source) ? (source.type?.provides ?? "tool") : "flow", handle: wanted };
  const where = { edge_id: id, node_id: target.node.id, path: `edges.${edge.index}.targetHandle` };
  const named = capabilityNamed(target.type, wanted);
  const capability = named ?? (wanted === DEFAULT_HANDLE && isProvider(source) ? onlyFitting(target.type, source.type) : undefined);
  const input = flowHandle(target.type, wanted);
  if (capability && (input === undefined || input === DEFAULT_HANDLE || !source.type || canProvide(source.type, capability.handle.capability))) {
    if (source.type && source.checked && !canProvide(source.type, capability.handle.capability)) {
      context.findings.problem(
        "handle.kind",
        `\`${capability.name}\` of ${target.type.type} takes a ${capability.handle.capability}; ${source.type.type} is none.`,
        where,
      );
    }
    return { kind: capability.handle.capability, handle: capability.name };
  }
  if (input === undefined) {
    const { body, capabilities, fixedInputs, inputs } = target.type;
    const handles = [DEFAULT_HANDLE, ...(body?.exits ?? []), ...Object.keys(capabilities ?? {}), ...Object.keys(inputs.shape)].filter(
      (name) => !fixedInputs?.includes(name),
    );
    const hint =
      context.nearest.hint(wanted, handles) ??
      `It has ${handles
        .slice(0, 12)
        .map((name) => `\`${name}\``)
        .join(", ")}.`;
    context.findings.problem("handle.unknown", `${target.type.type} \`${target.node.id}\` has no handle \`${wanted}\` to go into.`, { ...where, hint });
    return { kind: "flow", handle: wanted };
  }
  if (isProvider(source)) {
    const handles = Object.keys(target.type.capabilities ?? {});
    const hint = handles.length === 0 ? `${target.type.type} takes no providers.` : `It goes into ${handles.map((name) => `\`${name}\``).join(" or ")}.`;
    context.findings.problem(
      "handle.kind",
      `${source.type?.type ?? "It"} \`${source.node.id}\` is a provider; it plugs into a capability, not into \`${wanted}\`.`,
      { ...where, hint },
    );
    return { kind: source.type?.provides ?? "tool", handle: wanted };
  }
  if (target.type.kind === "provider") {
    context.findings.problem(
      "handle.kind",
      `${target.type.type} \`${target.node.id}\` is a provider: it does not run as a step, so no value flows into it.`,
      where,
    );
  }
  return { kind: "flow", handle: input };
}

/** The handle of a value, if there is one of that name: `input`, where an iteration ends, or an input. */
function flowHandle(type: NodeType, wanted: string): string | undefined {
  if (wanted === DEFAULT_HANDLE || type.body?.exits.some((exit) => exit === wanted)) return wanted;
  const input = inputNamed(type, wanted) ?? (isOpen(type) ? wanted : undefined);
  return input !== undefined && type.fixedInputs?.includes(input) ? undefined : input;
}

function sourceEnd(edge: GraphEdge, id: string, source: NodeRecord, context: EdgeContext): string {
  const wanted = edge.sourceHandle ?? DEFAULT_ROUTE;
  if (!source.type || !source.checked || wanted === ERROR_ROUTE || isProvider(source)) return wanted;
  const where = { edge_id: id, node_id: source.node.id, path: `edges.${edge.index}.sourceHandle` };
  if (source.type.terminal) {
    context.findings.problem("handle.unknown", `Nothing leaves ${source.type.type} \`${source.node.id}\`.`, where);
    return wanted;
  }
  if (wanted === COMPENSATE_ROUTE && source.type.kind !== "trigger") return wanted;
  const routes = source.routes;
  if (routes === "unknown") return wanted;
  if (routes === undefined) {
    if (wanted === DEFAULT_ROUTE || wanted === source.type.outputHandle) return DEFAULT_ROUTE;
    const hint =
      context.nearest.hint(wanted, [DEFAULT_ROUTE, ERROR_ROUTE, ...(source.type.outputHandle === undefined ? [] : [source.type.outputHandle])]) ??
      "It leaves from `output`, its failure from `error`.";
    context.findings.problem("handle.unknown", `${source.type.type} \`${source.node.id}\` has no handle \`${wanted}\` to leave from.`, { ...where, hint });
    return wanted;
  }
  if (routes.includes(wanted)) return wanted;
  const choice = routes.map((route) => `\`${route}\``).join(", ");
  if (wanted === DEFAULT_ROUTE) {
    context.findings.problem("handle.missing", `An edge that leaves ${source.type.type} \`${source.node.id}\` must name its route: ${choice}.`, where);
  } else {
    const hint = context.nearest.hint(wanted, routes) ?? `Its routes are ${choice}.`;
    context.findings.problem("handle.unknown", `${source.type.type} \`${source.node.id}\` has no route \`${wanted}\`.`, { ...where, hint });
  }
  return wanted;
}

interface NamedCapability {
  name: string;
  handle: CapabilityHandle;
}

function capabilityNamed(type: NodeType, name: string): NamedCapability | undefined {
  const handle = type.capabilities !== undefined && Object.hasOwn(type.capabilities, name) ? type.capabilities[name] : undefined;
  return handle === undefined ? undefined : { name, handle };
}

/** A provider joined to the plain `input` goes where it fits, if that is one place. */
function onlyFitting(type: NodeType, source: NodeType | undefined): NamedCapability | undefined {
  const fitting = Object.entries(type.capabilities ?? {}).filter(([, handle]) => source?.provides === handle.capability);
  const [only] = fitting;
  return only && fitting.length === 1 ? { name: only[0], handle: only[1] } : undefined;
}

function isProvider(record: NodeRecord): boolean {
  return record.type?.kind === "provider";
}

/** Any node that does work can be an agent's tool. */
function canProvide(type: NodeType, capability: Capability): boolean {
  return type.provides === capability || (capability === "tool" && (type.kind === "activity" || type.kind === "inline"));
}
