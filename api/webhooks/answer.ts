import { isClosed, isObject, type Json, type JsonObject } from "#core";
import type { Body, Plan } from "#graph";
import type { EventReader, Run, Runs } from "#runs";

/** Canonical name of the node that answers a call while its run goes on. */
const RESPOND_NODE = "RespondToWebhook";
/** After a run has ended, what its Respond node said may still be on its way into the log. */
const LATE_MS = 2_000;

/** How a call is answered: as a node of its run says, or with how the run stands. */
export type RunAnswer = { kind: "node"; value: JsonObject } | { kind: "run"; run: Run };

/** Ids of the nodes that may answer, in bodies and compensations too. */
export function respondNodes(plan: Plan): ReadonlySet<string> {
  const found = new Set<string>();
  const look = ({ steps }: Body): void => {
    for (const { id, type, body, compensate } of steps) {
      if (type === RESPOND_NODE) found.add(id);
      if (body) look(body);
      if (compensate) look(compensate);
    }
  };
  look(plan);
  return found;
}

export interface AnswerWait {
  readonly runs: Pick<Runs, "waitForEnd">;
  readonly events: Pick<EventReader, "read">;
  readonly nodes: ReadonlySet<string>;
  readonly timeoutMs: number;
  /** The caller has gone, or the process shuts down. */
  readonly over: AbortSignal;
}

/** Waits for the first of its Respond nodes, for the run's end, or for the time to be over. The log of the run is where the answer is, so asking again gives it again. */
export async function answerOf(run: Run, { runs, events, nodes, timeoutMs, over }: AnswerWait): Promise<RunAnswer> {
  const left = new AbortController();
  const signal = AbortSignal.any([over, left.signal]);
  const said = nodes.size === 0 ? Promise.resolve(undefined) : firstSaid(run, events, nodes, signal);
  const ended = isClosed(run.status) ? Promise.resolve(run) : runs.waitForEnd(run.tenantId, run.id, timeoutMs, signal);
  const byRun = ended.then((now): RunAnswer => ({ kind: "run", run: now }));
  byRun.catch(() => undefined);
  try {
    const first = await Promise.race([byRun, said.then((value) => (value ? nodeAnswer(value) : byRun))]);
    if (first.kind === "node" || !isClosed(first.run.status)) return first;
    const late = await Promise.race([said, pause(LATE_MS)]);
    return late ? nodeAnswer(late) : first;
  } finally {
    left.abort();
  }
}

const nodeAnswer = (value: JsonObject): RunAnswer => ({ kind: "node", value });

async function firstSaid(run: Run, events: Pick<EventReader, "read">, nodes: ReadonlySet<string>, signal: AbortSignal): Promise<JsonObject | undefined> {
  try {
    for await (const event of events.read(run.tenantId, run.id, 0, signal)) {
      if ("idle" in event || event.kind !== "node_end" || event.node_id === undefined || !nodes.has(event.node_id)) continue;
      const output: Json | undefined = event.data?.output;
      if (event.data?.status === "completed" && isObject(output)) return output as JsonObject;
    }
  } catch {
    // How the run ends still answers the call.
  }
  return undefined;
}

function pause(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, undefined).unref();
  });
}

/**
 * Headers that a workflow may not set: of the connection, those that keep browsers safe on our origin, those that speak for all of it (where browsers report
 * what they ask of it, and which other server they may ask), and those that proxies take for orders.
 */
const KEPT =
  /^(?:connection|content-length|transfer-encoding|keep-alive|trailer|upgrade|te|date|set-cookie2?|clear-site-data|content-security-policy.*|strict-transport-security|x-frame-options|x-content-type-options|cross-origin-.*|access-control-.*|service-worker-allowed|www-authenticate|public-key-pins.*|x-correlation-id|x-request-id|ratelimit-.*|nel|report-to|reporting-endpoints|expect-ct|alt-svc|set-login|x-accel-.*|x-sendfile|x-lighttpd-send-file)$/i;
const WITHOUT_BODY = new Set([204, 205, 304]);

/** The HTTP answer that a Respond node's value stands for. */
export function nodeResponse({ status, headers, body, encoding }: JsonObject): { response: Response; shown: Json } {
  const code = typeof status === "number" ? status : 200;
  const sent = new Headers();
  for (const [name, value] of Object.entries(isObject(headers) ? headers : {})) if (!KEPT.test(name) && typeof value === "string") sent.set(name, value);
  if (WITHOUT_BODY.has(code)) return { response: new Response(null, { status: code, headers: sent }), shown: null };
  if (encoding === "base64" && typeof body === "string") {
    if (!sent.has("content-type")) sent.set("content-type", "application/octet-stream");
    return { response: new Response(new Uint8Array(Buffer.from(body, "base64")), { status: code, headers: sent }), shown: { base64_length: body.length } };
  }
  const isText = typeof body === "string";
  if (!sent.has("content-type")) sent.set("content-type", isText ? "text/plain; charset=utf-8" : "application/json");
  return { response: new Response(isText ? body : JSON.stringify(body ?? null), { status: code, headers: sent }), shown: body ?? null };
}
