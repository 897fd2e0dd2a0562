import { PerdureError, type TenantId, uuidv7 } from "#core";
import type { Variable, Variables, Workflows } from "#db";
import { pageOf } from "./memory-database.ts";

/** Keeps in memory what the api calls of `Variables`. */
export function createMemoryVariables(workflows: Pick<Workflows, "get">): Variables {
  const stored: (Variable & { tenant: TenantId })[] = [];
  const inScope = (tenant: TenantId, workflowId: string | null) => stored.filter((each) => each.tenant === tenant && each.workflowId === workflowId);
  const find = (tenant: TenantId, workflowId: string | null, name: string) => inScope(tenant, workflowId).find((each) => each.name === name);
  const isThere = async (tenant: TenantId, workflowId: string | null) => workflowId === null || (await workflows.get(tenant, workflowId)) !== undefined;
  const refuseStale = (expected: number | undefined, revision: number): void => {
    if (expected !== undefined && expected !== revision) throw new PerdureError("precondition.failed", "Changed.");
  };
  return {
    async list(tenant, workflowId, { search = "" }, page) {
      if (!(await isThere(tenant, workflowId))) return undefined;
      const rows = inScope(tenant, workflowId).filter(({ name }) => name.includes(search));
      return pageOf(
        rows.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
        page,
      );
    },
    get: async (tenant, workflowId, name) => ((await isThere(tenant, workflowId)) ? find(tenant, workflowId, name) : undefined),
    async set(tenant, workflowId, { description, ...variable }, { max, maxBytes }, { expectedRevision, mustBeNew } = {}) {
      if (!(await isThere(tenant, workflowId))) return undefined;
      const present = find(tenant, workflowId, variable.name);
      if (present && mustBeNew) throw new PerdureError("resource.conflict", "Taken.");
      refuseStale(expectedRevision, present?.revision ?? 0);
      const others = inScope(tenant, workflowId).filter((each) => each !== present);
      if (others.length >= max) throw new PerdureError("validation.failed", "Too many.");
      if (JSON.stringify([...others.map(({ value }) => value), variable.value]).length > maxBytes) throw new PerdureError("request.too_large", "Too much.");
      if (present) {
        Object.assign(present, { value: variable.value, ...(description !== undefined && { description }), revision: present.revision + 1 });
        return { variable: { ...present }, created: false };
      }
      const now = new Date();
      const row = { ...variable, tenant, id: uuidv7(), workflowId, description: description ?? "", revision: 1, createdAt: now, updatedAt: now };
      stored.push(row);
      return { variable: { ...row }, created: true };
    },
    async remove(tenant, workflowId, name, expectedRevision) {
      const found = (await isThere(tenant, workflowId)) ? find(tenant, workflowId, name) : undefined;
      if (!found) return false;
      refuseStale(expectedRevision, found.revision);
      stored.splice(stored.indexOf(found), 1);
      return true;
    },
    forRun: async (tenant, workflowId) =>
      Object.fromEntries([...inScope(tenant, null), ...(workflowId === null ? [] : inScope(tenant, workflowId))].map(({ name, value }) => [name, value])),
  };
}
