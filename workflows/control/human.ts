import { isObject, type Json, type JsonObject, parseDuration, PerdureError } from "#core";
import type { ControlContext, ControlStep, Wait, WaitEnd } from "./control-step.ts";

/** Approvals answer approve or reject; without an edge for a rejection the node fails. */
export const humanApproval: ControlStep = {
  begin(context) {
    const { step, inputs, hasEdge } = context;
    return {
      kind: "approval",
      ...expiry(context),
      show: shown(inputs),
      accept: ({ decision }) =>
        decision === "submitted" ? [{ code: "answer.decision", message: 'The decision is "approved" or "rejected".', path: "decision", node_id: step.id }] : [],
      answer({ decision, by, at, comment, data }) {
        const value: Json = { decision, by, at, comment: comment ?? null, data: data ?? null };
        if (decision === "rejected" && !hasEdge("rejected")) {
          return { ok: false, error: new PerdureError("approval.rejected", `"${step.id}" was rejected${comment ? `: ${comment}` : ""}.`) };
        }
        return { ok: true, value, route: decision };
      },
    };
  },
};

/**
 * Data from a person. The api has checked it against the schema, with bounds on time: a schema is the user's, and may be made to take for ever,
 * which in a workflow would stop every run of the worker.
 */
export const humanInput: ControlStep = {
  begin(context) {
    const { step, inputs } = context;
    return {
      kind: "input",
      ...expiry(context),
      show: shown(inputs),
      accept({ decision }) {
        if (decision === "approved" || decision === "rejected") {
          return [{ code: "answer.decision", message: "This node takes data, not a decision.", path: "decision", node_id: step.id }];
        }
        return [];
      },
      answer: ({ data }) => ({ ok: true, value: data ?? null, route: "output" }),
    };
  },
};

function expiry({ step, inputs, now, hasEdge }: ControlContext): Pick<Wait, "expiresAt" | "expire"> {
  const { timeout } = inputs;
  const ms = typeof timeout === "string" || typeof timeout === "number" ? parseDuration(timeout) : undefined;
  const expire = (): WaitEnd =>
    hasEdge("timeout")
      ? { ok: true, value: { timed_out: true }, route: "timeout" }
      : { ok: false, error: new PerdureError("wait.timed_out", `Nobody answered "${step.id}" in time.`) };
  return { expire, ...(ms !== undefined && { expiresAt: now + ms }) };
}

function shown(inputs: JsonObject): NonNullable<Wait["show"]> {
  const { prompt, data, schema, assignees } = inputs;
  return {
    ...(isObject(schema) && { schema }),
    ...(typeof prompt === "string" && { prompt }),
    ...(data !== undefined && data !== null && { data }),
    ...(Array.isArray(assignees) && { assignees: assignees.filter((who) => typeof who === "string") }),
  };
}
