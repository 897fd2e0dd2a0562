import { type EventKind, type Finding, type JsonObject, EVENT_KINDS, PerdureError } from "#core";
import { type Decision, readDecision } from "#graph";

/** Of the CEL of one rule, in characters: it is evaluated for every event of the topic. */
export const RULE_MAX_LENGTH = 1_000;
/** What it may go through for one event, in values and in sixteens of characters: the process that serves everybody does it meanwhile. */
export const RULE_MAX_WORK = 50_000;
/** What a rule calls messages of members, beside the kinds of the run log. */
export const MESSAGE_KIND = "message";

/** Which events of a topic a subscription wants. */
export interface Rule {
  /** The same text for the same rule. */
  readonly key: string;
  wants(kind: string, event: () => JsonObject): boolean;
}

/**
 * @param where CEL; reads fields of the event by their names (`node_id == "ask"`), and the whole as `event`. An event on which it fails, or is not
 *   `true`, is not wanted.
 * @throws PerdureError `validation.failed` with all that is wrong.
 */
export function createRule({ events, where }: { events?: readonly string[] | undefined; where?: string | undefined }): Rule | undefined {
  if (events === undefined && where === undefined) return undefined;
  const findings: Finding[] = [];
  for (const [at, kind] of (events ?? []).entries()) {
    if (kind !== MESSAGE_KIND && !EVENT_KINDS.includes(kind as EventKind)) {
      findings.push({ code: "validation.kind", message: `is no kind of event: ${EVENT_KINDS.join(", ")}, ${MESSAGE_KIND}`, path: `events.${at}` });
    }
  }
  let decision: Decision | undefined;
  if (where !== undefined) {
    const read =
      where.length > RULE_MAX_LENGTH ? { ok: false as const, message: `has more than ${RULE_MAX_LENGTH} characters` } : readDecision(where, RULE_MAX_WORK);
    if (read.ok) decision = read.decision;
    else findings.push({ code: "expression.invalid", message: read.message, path: "where", ...(read.hint !== undefined && { hint: read.hint }) });
  }
  if (findings.length > 0) throw new PerdureError("validation.failed", "The rule is not valid.", { findings });
  const kinds = events && new Set(events);
  return {
    key: JSON.stringify([events, where]),
    wants(kind, event) {
      if (kinds && !kinds.has(kind)) return false;
      return !decision || isTrue(decision, event());
    },
  };
}

function isTrue(decision: Decision, event: JsonObject): boolean {
  try {
    return decision({ ...event, event }) === true;
  } catch {
    return false;
  }
}
