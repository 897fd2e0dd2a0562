import { isObject, type Json, type JsonObject, PerdureError } from "#core";
import type { ControlStep, Wait } from "./control-step.ts";
import { expiry } from "./expiry.ts";

/** Approvals answer approve or reject; without an edge for a rejection the node fails. */
export const humanApproval: ControlStep = {
  begin(context) {
    const { step, inputs, hasEdge } = context;
    return {
      kind: "approval",
      ...expiry(context, `Nobody answered "${context.step.id}" in time.`),
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
      ...expiry(context, `Nobody answered "${context.step.id}" in time.`),
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

function shown(inputs: JsonObject): NonNullable<Wait["show"]> {
  const { prompt, data, schema, assignees } = inputs;
  return {
    ...(isObject(schema) && { schema }),
    ...(typeof prompt === "string" && { prompt }),
    ...(data !== undefined && data !== null && { data }),
    ...(Array.isArray(assignees) && { assignees: assignees.filter((who) => typeof who === "string") }),
  };
}
