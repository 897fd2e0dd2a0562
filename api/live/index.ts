import { type Access, routes } from "#contract";
import { PerdureError, uuidv7 } from "#core";
import { type ApiContext, type ApiEnv, clientAddress } from "../context.ts";
import { type Callers, callerOf } from "../middleware/guard.ts";
import type { Handlers } from "../mount.ts";
import { notFound } from "../problem.ts";
import { createReconciler } from "../runs/reconciler.ts";
import type { Caller } from "../security/caller.ts";
import type { Principal } from "../security/principal.ts";
import type { Services } from "../services.ts";
import { type Bus, openBus } from "./bus.ts";
import { createConnections } from "./connections.ts";
import { createFeeds } from "./feeds.ts";
import { HubSession, WATCHERS_SHOWN } from "./hub-session.ts";
import { Hub, checkPayload } from "./hub.ts";
import { createInner } from "./inner.ts";
import { checkOrigin } from "./origin.ts";
import { createPresence } from "./presence.ts";
import { RunSocket } from "./run-socket.ts";
import { mayWatch, mayWrite, readTopic } from "./topics.ts";
import type { Upgrade } from "./upgrade.ts";

export { isHandshake, serveUpgrades } from "./upgrade.ts";

type LiveRoute = "openHub" | "openWorkflowStream" | "createStreamTicket" | "publishMessage" | "listWatchers";

/** WebSockets: the documented one of each workflow, and the hub. All that is live comes from the log of the runs, or from the bus. */
export interface Live {
  readonly handlers: Handlers<LiveRoute>;
  /** Tells the others that nobody watches here any more. */
  close(): Promise<void>;
}

export function createLive(services: Services, callers: Callers, fetch: (request: Request, env: ApiEnv["Bindings"]) => Response | Promise<Response>): Live {
  const { db, events: reader, runs, settings, logger, shutdown } = services;
  const reconciler = createReconciler(runs, logger);
  const feeds = createFeeds({ reader, runs: db.runs, heads: db.log.heads, onSilence: (tenant, runId) => reconciler.nudge(tenant, runId) });
  const connections = createConnections(settings, callers.standing, shutdown, logger);
  const inner = createInner(fetch);
  let bus: (Bus & { close(): Promise<void> }) | undefined;
  let opening: Promise<unknown> | undefined;
  const presence = createPresence(db.live, () => bus, settings.LIVE_PRESENCE_MS, logger);
  const hub = new Hub({ db, feeds, presence, inner, settings, logger });

  async function listen(): Promise<void> {
    opening ??= openBus(db.live, (word) => hub.hear(word), logger).then((opened) => (bus = opened));
    await opening;
  }

  function handshake(c: ApiContext): Upgrade {
    const upgrade = c.env?.upgrade;
    if (!upgrade) throw new PerdureError("request.upgrade_required", "This path serves WebSockets: connect with `ws://` or `wss://`.");
    checkOrigin(c, settings);
    return upgrade;
  }

  /** Says to `upgrade.ts` that there is nothing against it; the status stands in the log. */
  const accepted = (): Response => new Response(null, { status: 204 });

  async function knowWorkflow({ tenantId }: Principal, id: string): Promise<void> {
    if (!(await db.workflows.get(tenantId, id))) throw notFound("workflow");
  }

  const handlers: Handlers<LiveRoute> = {
    async openHub({ c }) {
      const upgrade = handshake(c);
      await listen();
      const address = clientAddress(c);
      const seat = connections.seat(c.get("caller"));
      upgrade.accept = {
        maxMessageBytes: settings.LIVE_MESSAGE_MAX_BYTES,
        open: (socket) => void seat.open(socket, (connection) => new HubSession(hub, connection, address)),
        abandon: seat.free,
      };
      return accepted();
    },

    async openWorkflowStream({ params: { id: workflowId }, c }) {
      const caller = c.get("caller") as Caller | undefined;
      if (caller) await knowWorkflow(caller.principal, workflowId);
      const upgrade = handshake(c);
      const address = clientAddress(c);
      const seat = connections.seat(caller);
      const access: Access = routes.openWorkflowStream.access;
      upgrade.accept = {
        maxMessageBytes: settings.REQUEST_MAX_BODY_BYTES,
        open: (socket) =>
          void seat.open(
            socket,
            (connection) =>
              new RunSocket(connection, { db, feeds, inner, logger, address, workflowId, anonymousMs: settings.LIVE_ANONYMOUS_MS }, async (token) => {
                const late = await callerOf(c, token, access, callers);
                await knowWorkflow(late.principal, workflowId);
                seat.name(late);
                return late;
              }),
          ),
        abandon: seat.free,
      };
      return accepted();
    },

    async createStreamTicket({ c }) {
      const { ticket, expiresAt } = await callers.tickets.issue(c.get("caller"));
      const expires_in = Math.round((expiresAt.getTime() - Date.now()) / 1_000);
      return { status: 201, body: { ticket, expires_in, expires_at: expiresAt.toISOString() }, headers: { "cache-control": "no-store" } };
    },

    async publishMessage({ body, principal }) {
      const topic = readTopic(body.topic, principal);
      checkPayload(body.payload, settings.LIVE_PAYLOAD_MAX_BYTES);
      await mayWrite(topic, principal, db);
      await listen();
      const message = {
        id: uuidv7(),
        tenant: principal.tenantId,
        topic: topic.name,
        payload: body.payload,
        from: principal.userId,
        at: new Date().toISOString(),
      };
      await bus?.tell({ message });
      return { status: 202, body: { id: message.id, topic: body.topic, at: message.at } };
    },

    async listWatchers({ query, principal }) {
      const topic = readTopic(query.topic, principal);
      await mayWatch(topic, principal, db);
      return { status: 200, body: { topic: query.topic, ...(await db.live.watchers(principal.tenantId, topic.name, WATCHERS_LISTED)) } };
    },
  };

  return {
    handlers,
    async close() {
      await presence.close();
      await bus?.close();
    },
  };
}

/** Of the route. */
const WATCHERS_LISTED = 10 * WATCHERS_SHOWN;
