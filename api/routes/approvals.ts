import type { z } from "@hono/zod-openapi";
import type { approval as approvalSchema } from "#contract/approvals.ts";
import { type Finding, type Json, PerdureError } from "#core";
import type { Answer } from "#workflows/messages";
import type { User } from "#db";
import type { Approval } from "#runs";
import type { Handlers } from "../mount.ts";
import { pageHeadersOf, toPage } from "../paging.ts";
import { notFound } from "../problem.ts";
import type { Principal } from "../security/principal.ts";
import type { SchemaChecks } from "../schema-checks.ts";
import type { Services } from "../services.ts";

export function approvalHandlers({ db, runs, schemas }: Services): Handlers<"listApprovals" | "getApproval" | "answerApproval"> {
  async function existing(principal: Principal, id: string): Promise<Approval> {
    const found = await db.approvals.get(principal.tenantId, id);
    if (!found) throw notFound("approval");
    return found;
  }

  async function caller(principal: Principal): Promise<User> {
    const user = await db.accounts.find(principal.userId);
    if (!user) throw new PerdureError("auth.invalid", "The account of this token is gone.");
    return user;
  }

  return {
    async listApprovals({ query, principal, c }) {
      const assignee = query.mine ? namesOf(await caller(principal)) : undefined;
      const page = await db.approvals.list(
        principal.tenantId,
        {
          ...(query.status && { status: query.status }),
          ...(query.execution_id !== undefined && { runId: query.execution_id }),
          ...(assignee !== undefined && { assignee }),
        },
        toPage(query),
      );
      return { status: 200, body: page.rows.map(approvalJson), headers: pageHeadersOf(c, page) };
    },

    async getApproval({ params, principal }) {
      return { status: 200, body: approvalJson(await existing(principal, params.id)) };
    },

    async answerApproval({ params, body, principal }) {
      const approval = await existing(principal, params.id);
      refuseUnlessPending(approval);
      if (approval.assignees.length > 0) refuseUnlessAssigned(approval, await caller(principal));
      const answer: Answer = {
        decision: await decisionOf(approval, body, schemas),
        by: principal.userId,
        at: new Date().toISOString(),
        ...(body.comment != null && { comment: body.comment }),
        ...(body.data !== undefined && { data: body.data }),
      };
      const { outcome } = await runs.command(
        principal.tenantId,
        approval.runId,
        { kind: "answer", node_id: approval.nodeId, iteration: approval.iteration, answer },
        principal.userId,
      );
      return { status: outcome === "applied" ? 200 : 202, body: approvalJson(await existing(principal, params.id)) };
    },
  };
}

function refuseUnlessPending({ status }: Approval): void {
  if (status === "answered") throw new PerdureError("approval.answered", "This has been answered already.");
  if (status !== "pending") throw new PerdureError("run.state", `This can no longer be answered: it is ${status}.`);
}

/** What an assignee may be written as, in lower case. */
function namesOf({ id, email }: User): string[] {
  return [id, email.toLowerCase()];
}

function refuseUnlessAssigned({ assignees }: Approval, user: User): void {
  const names = namesOf(user);
  const assigned = assignees.some((assignee) => names.includes(assignee.trim().toLowerCase()));
  if (!assigned) throw new PerdureError("auth.forbidden", "This is for others to answer.");
}

/**
 * What an approval asks for is a decision; what an input asks for is data, which implies it.
 * @throws PerdureError `validation.failed` with every finding, those of the wait's own JSON schema among them.
 */
async function decisionOf(
  approval: Approval,
  { decision, data }: { decision?: Answer["decision"] | null | undefined; data?: Json | undefined },
  schemas: SchemaChecks,
): Promise<Answer["decision"]> {
  const findings: Finding[] = [];
  const taken = approval.kind === "input" ? (decision ?? "submitted") : decision;
  if (approval.kind === "input") {
    if (taken !== "submitted") findings.push({ code: "validation.decision", message: "an input is submitted, not approved or rejected", path: "decision" });
    if (data === undefined) findings.push({ code: "validation.required", message: "is required", path: "data" });
  } else if (taken == null || taken === "submitted") {
    findings.push({ code: "validation.decision", message: 'must be "approved" or "rejected"', path: "decision" });
  }
  if (approval.schema && data !== undefined) findings.push(...(await schemas.check(approval.schema, data, "data")));
  if (findings.length > 0 || taken == null) throw new PerdureError("validation.failed", "The answer does not fit what was asked.", { findings });
  return taken;
}

function approvalJson(approval: Approval): z.input<typeof approvalSchema> {
  return {
    id: approval.id,
    execution_id: approval.runId,
    node_id: approval.nodeId,
    iteration: approval.iteration,
    kind: approval.kind,
    status: approval.status,
    prompt: approval.prompt,
    data: approval.data,
    schema: approval.schema,
    assignees: approval.assignees,
    decision: approval.decision,
    answer: approval.answer,
    comment: approval.comment,
    answered_by: approval.answeredBy,
    answered_at: approval.answeredAt?.toISOString() ?? null,
    expires_at: approval.expiresAt?.toISOString() ?? null,
    created_at: approval.createdAt.toISOString(),
  };
}
