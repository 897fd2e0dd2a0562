import { createHash } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { isObject, type Json } from "#core";
import { comparable } from "../property/random-graph.ts";

/** One arrival at the outside system; times in milliseconds since the epoch. */
export interface OutsideCall {
  key: string;
  nodeId: string;
  arrivedAt: number;
  /** When its answer had been handed to the network. */
  answeredAt?: number;
  /** The caller was gone before that. */
  cut: boolean;
  status: number;
}

export interface Outside {
  url: string;
  calls: OutsideCall[];
  /** By Idempotency-Key: the number of the effect that it had. */
  effects: Map<string, number>;
  /** Calls without a key, and keys that came with another body than before. */
  faults: string[];
  close(): Promise<void>;
}

interface Known {
  effect: number | undefined;
  status: number;
  body: string;
  asked: string;
  readyAt: number;
}

/**
 * An outside system that honours `Idempotency-Key`: the first call with a key has the effect, after `ms`; any other gets the answer of the first. With
 * `fails` an odd number it refuses, with `busy` it is at its limit the first time; neither has an effect.
 */
export async function startOutside(): Promise<Outside> {
  const calls: OutsideCall[] = [];
  const effects = new Map<string, number>();
  const known = new Map<string, Known>();
  const busy = new Set<string>();
  const faults: string[] = [];

  const server = createServer(async (request, response) => {
    const asked = await bodyOf(request);
    const url = new URL(request.url ?? "", "http://outside");
    const nodeId = url.pathname.slice(1);
    const key = String(request.headers["idempotency-key"] ?? "");
    const call: OutsideCall = { key, nodeId, arrivedAt: Date.now(), cut: false, status: 200 };
    calls.push(call);
    response.once("close", () => {
      call.cut = !response.writableFinished;
    });
    response.once("finish", () => {
      call.answeredAt = Date.now();
    });
    if (key === "") faults.push(`${request.url} came without a key`);
    if (url.searchParams.has("busy") && !busy.has(key)) {
      busy.add(key);
      call.status = 429;
      response.writeHead(429, { "retry-after": "1" }).end();
      return;
    }
    let first = known.get(key);
    if (!first) {
      const refuses = Number(url.searchParams.get("fails") ?? 0) % 2 === 1;
      const effect = refuses ? undefined : effects.size + 1;
      if (effect !== undefined) effects.set(key, effect);
      const body = refuses ? "refused, as told" : JSON.stringify(answerOf(nodeId, asked === "" ? null : (JSON.parse(asked) as Json)));
      first = { effect, status: refuses ? 422 : 200, body, asked: fingerprint(asked), readyAt: Date.now() + Number(url.searchParams.get("ms") ?? 0) };
      known.set(key, first);
    } else if (first.asked !== fingerprint(asked)) faults.push(`${key} came with another body than before`);
    const { effect, status, body, readyAt } = first;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, readyAt - Date.now())));
    call.status = status;
    response.writeHead(status, { "content-type": status === 200 ? "application/json" : "text/plain", ...(effect && { "x-effect": String(effect) }) }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    effects,
    faults,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** What a call of this node with this body is answered: the body shows in it without making it larger. */
export function answerOf(nodeId: string, body: Json): Json {
  return { id: nodeId, of: digest(JSON.stringify(sorted(plain(body) ?? null))) };
}

/** Values as the model has them: an HTTP answer is its body, a person's its decision, a failure the node that failed. */
export function plain(value: Json | undefined): Json | undefined {
  return comparable(withoutEnvelopes(value));
}

function withoutEnvelopes(value: Json | undefined): Json | undefined {
  if (value === null || value === undefined || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item) => withoutEnvelopes(item) ?? null);
  if ("elapsed_ms" in value && "body" in value) return withoutEnvelopes(value["body"]);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutEnvelopes(inner) ?? null]));
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner as Json)]),
  );
}

/** Of a body as it came, whatever the order of its keys. */
function fingerprint(body: string): string {
  return digest(body === "" ? "" : JSON.stringify(sorted(JSON.parse(body) as Json)));
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
