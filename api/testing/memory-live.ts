import type { TenantId } from "#core";
import type { LiveRows, StreamTicket, Watching } from "#db";
import type { MemoryState } from "./memory-database.ts";

/** What processes share, where there is one process. */
export function createMemoryLive(state: Pick<MemoryState, "runs" | "events" | "users">): LiveRows {
  const listeners = new Set<(message: string) => void>();
  const tickets = new Map<string, StreamTicket & { expiresAt: Date }>();
  const present = new Map<string, Watching & { process: string; name: string }>();
  const keyOf = (process: string, { tenantId, topic, userId }: Watching): string => [process, tenantId, topic, userId].join(" ");
  const isThere = ({ tenantId, topic, userId }: Watching): boolean =>
    [...present.values()].some((each) => each.tenantId === tenantId && each.topic === topic && each.userId === userId);

  return {
    async tell(message) {
      setImmediate(() => listeners.forEach((listener) => listener(message)));
    },
    async listen(onMessage) {
      listeners.add(onMessage);
      return { close: async () => void listeners.delete(onMessage) };
    },
    async createTicket(tenant, { ticketHash, ...ticket }) {
      tickets.set(ticketHash, { ...ticket, tenantId: tenant });
    },
    async takeTicket(ticketHash) {
      const ticket = tickets.get(ticketHash);
      tickets.delete(ticketHash);
      return ticket && ticket.expiresAt.getTime() > Date.now() ? ticket : undefined;
    },
    async owners(runIds) {
      return new Map(
        state.runs.filter(({ id }) => runIds.includes(id)).map(({ id, tenantId, workflowId, createdBy }) => [id, { tenantId, workflowId, createdBy }]),
      );
    },
    async openHeads(tenant, limit) {
      const open = state.runs.filter((run) => run.tenantId === tenant && run.completedAt === null).slice(0, limit);
      return new Map(open.map(({ id }) => [id, state.events.get(id)?.length ?? 0]));
    },
    async join(process, watching) {
      return watching.flatMap((each) => {
        const isFirst = !isThere(each);
        const joined = { ...each, name: state.users.find(({ id }) => id === each.userId)?.name ?? "" };
        present.set(keyOf(process, each), { ...joined, process });
        return isFirst ? [joined] : [];
      });
    },
    async leave(process, watching) {
      return watching.flatMap((each) => {
        const left = present.get(keyOf(process, each));
        present.delete(keyOf(process, each));
        return left && !isThere(each) ? [{ ...each, name: left.name }] : [];
      });
    },
    stay: async (process) => [...present.values()].filter((each) => each.process === process).length,
    sweepWatchers: async () => [],
    async watchers(tenant: TenantId, topic, limit) {
      const found = new Map(
        [...present.values()].filter((each) => each.tenantId === tenant && each.topic === topic).map(({ userId, name }) => [userId, { user_id: userId, name }]),
      );
      return { watchers: [...found.values()].slice(0, limit), total: found.size };
    },
  };
}
