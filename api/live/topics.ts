import { type Permission, TOPIC_MAX_LENGTH } from "#contract";
import { PerdureError, isUuid } from "#core";
import type { Database } from "#db";
import { notFound } from "../problem.ts";
import { type Principal, allows } from "../security/principal.ts";

/** What is watched. `name`: the same for all who mean the same. */
export type Topic =
  | { readonly kind: "run" | "workflow" | "user"; readonly name: string; readonly id: string }
  | { readonly kind: "organization" | "channel"; readonly name: string };

const CHANNEL = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const WITH_ID = /^(run|workflow|user|organization):(.+)$/;
/** The documented name of what happens in the organization's workflows. */
const WORKFLOW_UPDATES = "workflow_updates";

/** @throws PerdureError `validation.failed` for what is no topic, `resource.not_found` for another organization. */
export function readTopic(text: string, { tenantId, userId }: Principal): Topic {
  const [, kind, id] = WITH_ID.exec(text) ?? [];
  const named = id?.toLowerCase();
  if (kind !== undefined && named !== undefined) {
    if (!isUuid(named)) throw notFound("topic");
    if (kind === "organization") {
      if (named !== tenantId) throw notFound("topic");
      return { kind, name: kind };
    }
    return { kind: kind as "run" | "workflow" | "user", name: `${kind}:${named}`, id: named };
  }
  if (text === "organization" || text === WORKFLOW_UPDATES) return { kind: "organization", name: "organization" };
  if (text === "user") return { kind: "user", name: `user:${userId}`, id: userId };
  if (text.length <= TOPIC_MAX_LENGTH && CHANNEL.test(text)) return { kind: "channel", name: text };
  throw new PerdureError("validation.failed", "The request is not valid.", {
    findings: [
      {
        code: "validation.topic",
        message: "is no topic: run:<id>, workflow:<id>, organization, user, or a name of letters, digits, `_`, `.` and `-`",
        path: "topic",
      },
    ],
  });
}

/**
 * Lets watch what its caller may read, and nothing that is not there: both are 404 alike where it belongs to others.
 * @throws PerdureError `resource.not_found`, `auth.forbidden`.
 */
export async function mayWatch(topic: Topic, principal: Principal, db: Pick<Database, "runs" | "workflows">): Promise<void> {
  demand(principal, topic.kind === "channel" ? "live.read" : "run.read");
  if (topic.kind === "user" && topic.id !== principal.userId) throw notFound("topic");
  await exists(topic, principal, db);
}

/** As `mayWatch`; and any member may be written to. */
export async function mayWrite(topic: Topic, principal: Principal, db: Pick<Database, "runs" | "workflows" | "organizations">): Promise<void> {
  if (topic.kind !== "user" || topic.id === principal.userId) return mayWatch(topic, principal, db);
  if (!(await db.organizations.member(principal.tenantId, topic.id))) throw notFound("topic");
}

async function exists(topic: Topic, { tenantId }: Principal, { runs, workflows }: Pick<Database, "runs" | "workflows">): Promise<void> {
  const found = topic.kind === "run" ? await runs.get(tenantId, topic.id) : topic.kind === "workflow" ? await workflows.get(tenantId, topic.id) : true;
  if (!found) throw notFound("topic");
}

function demand(principal: Principal, permission: Permission): void {
  if (!allows(principal, permission)) throw new PerdureError("auth.forbidden", `You may not do this (${permission}).`);
}
