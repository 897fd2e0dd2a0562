import { type NodeStatus, stableStringify } from "#core";
import { planText } from "./plan-text.ts";
import type { Body, PlanEdge, Plan, Step } from "./plan.ts";

/** What of a run's snapshot tells how far it has come; nodes it does not list have not been reached. */
export interface MigrationRun {
  /** Ids that fired when the run began. */
  entries: readonly string[];
  nodes: readonly { node_id: string; iteration: string; status: NodeStatus }[];
}

/** A node that the new version would have to change after the fact. */
export interface MigrationObstacle {
  node_id: string;
  message: string;
}

/**
 * Whether a live run may go on by another plan: nothing at or behind its cursor has changed in a way that was already acted on. New nodes
 * behind those that have ended, changes of nodes that have not begun, and other retries of nodes that have ended are fine.
 * @param from - The plan the run goes by now.
 */
export function canMigrate(run: MigrationRun, from: Plan, to: Plan): { ok: true } | { ok: false; nodes: MigrationObstacle[] } {
  const old = placesOf(from);
  const now = placesOf(to);
  const nodes: MigrationObstacle[] = [];
  const say = (id: string, message: string | undefined): void => {
    if (message !== undefined) nodes.push({ node_id: id, message });
  };
  for (const [id, statuses] of reached(run)) {
    const before = old.get(id);
    const after = now.get(id);
    if (before) say(id, obstacle(before, after, statuses));
  }
  for (const [id, place] of now) {
    if (place.owner === undefined && place.step.in.length === 0 && place.step.kind !== "trigger" && !run.entries.includes(id)) {
      say(id, `Node \`${id}\` would begin a run that has begun.`);
    }
  }
  return nodes.length === 0 ? { ok: true } : { ok: false, nodes };
}

/** A step and the way to it: `outer/body/inner/compensate`. */
interface Place {
  step: Step;
  body: Body;
  owner: string | undefined;
}

function placesOf(plan: Plan): Map<string, Place> {
  const places = new Map<string, Place>();
  const open: { body: Body; owner: string | undefined }[] = [{ body: plan, owner: undefined }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { body, owner } = next;
    for (const step of body.steps) {
      places.set(step.id, { step, body, owner });
      for (const name of ["body", "compensate"] as const) {
        const hanging = step[name];
        if (hanging) open.push({ body: hanging, owner: stableStringify([owner ?? null, step.id, name]) });
      }
    }
  }
  return places;
}

/** What became of each node that the run has come to, over all iterations. */
function reached({ nodes }: MigrationRun): Map<string, Set<NodeStatus>> {
  const found = new Map<string, Set<NodeStatus>>();
  for (const { node_id: id, status } of nodes) {
    if (status === "pending") continue;
    const statuses = found.get(id);
    if (statuses) statuses.add(status);
    else found.set(id, new Set([status]));
  }
  return found;
}

const ACTIVE: readonly NodeStatus[] = ["running", "retrying", "waiting"];

function obstacle(before: Place, after: Place | undefined, statuses: ReadonlySet<NodeStatus>): string | undefined {
  const { id } = before.step;
  const ran = [...statuses].some((status) => status !== "skipped");
  if (after === undefined) return ran ? `Node \`${id}\` has run, but is not there any more.` : undefined;
  if (before.owner !== after.owner) return `Node \`${id}\` has been reached, but stands in another body.`;
  if (stableStringify(arrivals(before)) !== stableStringify(arrivals(after)) || before.step.join !== after.step.join) {
    return `Node \`${id}\` has been reached, but other edges lead to it.`;
  }
  if (!ran) return undefined;
  const active = ACTIVE.some((status) => statuses.has(status));
  const failed = statuses.has("failed");
  const changed = changedFields(before.step, after.step, { active, failed });
  return changed.length === 0 ? undefined : `Node \`${id}\` ${active ? "is under way" : "has run"}, but the other version changes its ${changed.join(", ")}.`;
}

function arrivals({ step, body }: Place): Pick<PlanEdge, "source" | "route" | "handle">[] {
  const edges = step.in.map((index) => body.edges[index]).filter((edge) => edge !== undefined);
  return edges.map(({ source, route, handle }) => ({ source, route, handle })).sort((a, b) => (stableStringify(a) < stableStringify(b) ? -1 : 1));
}

/** What a run acts on when it runs a node, by the word for it. */
const ACTED_ON: readonly [word: string, (step: Step) => unknown][] = [
  ["type", (step) => [step.type, step.kind]],
  ["inputs", (step) => step.inputs],
  ["`while`", (step) => step.while],
  ["providers", (step) => step.providers],
  ["`disabled`", (step) => step.disabled],
  ["`pinned_output`", (step) => step.pinned_output],
  ["body", (step) => step.body && shapeOf(step.body)],
];

/** Which nodes stand in a body and how they are joined: what iterations that have ended went by. Their contents are looked at node by node. */
function shapeOf({ steps, edges }: Body): unknown {
  const joined = edges.map(({ source, route, target, handle }) => stableStringify([source, route, target, handle]));
  return [steps.map((step) => step.id).sort(), joined.sort()];
}

function changedFields(before: Step, after: Step, { active, failed }: { active: boolean; failed: boolean }): string[] {
  const looked = [...ACTED_ON];
  if (active) looked.push(["retries and time-outs", (step) => step.policy], ["way of running", (step) => step.local]);
  if (failed) looked.push(["`on_error`", (step) => step.on_error]);
  return looked.filter(([, read]) => planText(read(before)) !== planText(read(after))).map(([word]) => word);
}
