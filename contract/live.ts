import { z } from "@hono/zod-openapi";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { id, idParam, json, timestamp } from "./values.ts";

const tags = ["live"];
const base = "/api/v1/live";

/** Longest name of a topic, in characters. */
export const TOPIC_MAX_LENGTH = 150;
/** Seconds in which a ticket opens its connection. */
export const TICKET_EXPIRES_IN = 30;
/** What a browser offers as subprotocols: this name, and its token behind that prefix. The server answers with the name alone. */
export const SUBPROTOCOL = "perdure.v1";
export const SUBPROTOCOL_TOKEN_PREFIX = "perdure.token.";

const TOPIC = /^(?:(?:run|workflow|user|organization):[!-~]+|[A-Za-z0-9][A-Za-z0-9_.-]*)$/;
const topicName = z.string().min(1).max(TOPIC_MAX_LENGTH).regex(TOPIC, "is no topic").openapi({
  description:
    "`run:<id>`, `workflow:<id>`, `organization`, `user`, or a name of your own (letters, digits, `_`, `.`, `-`), which is a channel of your organization.",
  example: "workflow:018f0000-0000-7000-8000-000000000001",
});

const handshake = {
  101: { description: "The connection is a WebSocket from now on; docs/live.md describes its messages." },
};

export const liveRoutes = {
  openHub: defineRoute({
    method: "get",
    path: "/ws",
    operationId: "openHub",
    summary: "Open the hub (WebSocket)",
    description: [
      "Topics with events of runs, messages of others, and who watches. The token comes as `Authorization` header, `?token=`, `?ticket=` (see createStreamTicket) or",
      "subprotocol `perdure.token.<token>` beside `perdure.v1`. Anything but a WebSocket handshake is answered with 426.",
      'Messages are JSON: `{"type": "Subscribe", "data": {"topics": ["run:…"]}}`, `{"type": "Broadcast", "data": {"topic", "payload"}}`.',
    ].join(" "),
    tags,
    access: needs("live.read"),
    socket: { lateToken: false },
    problems: [426],
    responses: handshake,
  }),
  openWorkflowStream: defineRoute({
    method: "get",
    path: "/api/v1/workflows/{id}/stream",
    operationId: "openWorkflowStream",
    summary: "Run a workflow and follow it (WebSocket)",
    description: [
      'Send `{"action": "execute", "inputs": {…}}`: a run starts and its events come as flat messages, `type` first, until `workflow_complete` or `error`.',
      '`{"action": "resume", "execution_id": "…", "last_id": 7}` follows a run from its 8th event on. The token comes as for the hub, or as `token` of the first message, within 5 s.',
    ].join(" "),
    tags,
    access: needs("run.read"),
    socket: { lateToken: true },
    problems: [404, 426],
    request: { params: z.object({ id: idParam }) },
    responses: handshake,
  }),
  createStreamTicket: defineRoute({
    method: "post",
    path: `${base}/tickets`,
    operationId: "createStreamTicket",
    summary: "Get a ticket for one WebSocket",
    description:
      "For browsers, which cannot send headers with a WebSocket: `?ticket=…` opens one connection, once, within 30 s. It never stands for more than its caller may.",
    tags,
    access: needs("live.read"),
    responses: {
      201: jsonReply(
        "The ticket.",
        z.object({ ticket: z.string(), expires_in: z.int().openapi({ description: "Seconds." }), expires_at: timestamp }).openapi("StreamTicket"),
      ),
    },
  }),
  publishMessage: defineRoute({
    method: "post",
    path: `${base}/messages`,
    operationId: "publishMessage",
    summary: "Send a message to all who watch a topic",
    description:
      "It is kept nowhere: who does not watch at this moment does not hear it. `user:<id>` reaches a member of the organization wherever they are connected.",
    tags,
    access: needs("live.publish"),
    problems: [400, 404, 413, 422],
    request: { body: jsonBody(z.object({ topic: topicName, payload: json }).openapi("LiveMessage", { required: ["topic", "payload"] })) },
    responses: { 202: jsonReply("All processes have been told.", z.object({ id, topic: z.string(), at: timestamp })) },
  }),
  listWatchers: defineRoute({
    method: "get",
    path: `${base}/watchers`,
    operationId: "listWatchers",
    summary: "See who watches a topic",
    tags,
    access: needs("live.read"),
    problems: [404, 422],
    request: { query: z.object({ topic: topicName }) },
    responses: {
      200: jsonReply(
        "Members with an open connection that has subscribed to it, at any process.",
        z.object({ topic: z.string(), total: z.int(), watchers: z.array(z.object({ user_id: id, name: z.string() })) }),
      ),
    },
  }),
};
