/**
 * The one way out. Every request of a graph goes through it: names are resolved once and their addresses checked, private and reserved networks
 * are out of reach unless allowed, redirects are checked like the first request, sizes and times are limited.
 */
import { fetch as undiciFetch, type Agent } from "undici";
import { PerdureError } from "#core";
import type { HttpRequestSpec, HttpResponse, HttpService } from "#nodes";
import type { Env } from "#platform";
import { ACCEPT_ENCODING, limitStream, readLimited, tooLarge } from "./body.ts";
import { guardedAgent, resolveBySystem, trustedAgent, type Resolve } from "./connect.ts";
import { networkFailure, timedOut } from "./failure.ts";
import { createHostLists, operatorPolicies, type HostsOf } from "./organizations.ts";
import { checkUrl, follow, type Hop } from "./redirect.ts";

export type { Resolve } from "./connect.ts";
export { networkFailure, timedOut } from "./failure.ts";
export { hostsOfOrganizations, unreadableHosts } from "./organizations.ts";

export interface HttpOptions {
  /**
   * Hosts (`host`, `*.suffix`, with `:port` or without), addresses and CIDRs that may be reached although they are private: by all organizations, or by
   * one, with `<organization id>=` before it.
   */
  allow: readonly string[];
  /** What an organization narrows itself to. @default all */
  hostsOf?: HostsOf;
  /** Of one answer, decompressed. @default 10 MiB */
  maxResponseBytes?: number;
  /** @default 5 */
  maxRedirects?: number;
  /** Longest silence of a server, before its answer and within it, where the request sets no time limit of its own. @default 10 minutes */
  idleTimeoutMs?: number;
  /** Resolves names; a test gives its own. */
  resolve?: Resolve;
}

/** What the settings of a process say of its way out. */
export function outboundOptions(
  env: Pick<Env, "OUTBOUND_ALLOW" | "OUTBOUND_MAX_RESPONSE_BYTES" | "OUTBOUND_MAX_REDIRECTS" | "OUTBOUND_IDLE_TIMEOUT_MS">,
): Omit<HttpOptions, "hostsOf" | "resolve"> {
  return {
    allow: env.OUTBOUND_ALLOW,
    maxResponseBytes: env.OUTBOUND_MAX_RESPONSE_BYTES,
    maxRedirects: env.OUTBOUND_MAX_REDIRECTS,
    idleTimeoutMs: env.OUTBOUND_IDLE_TIMEOUT_MS,
  };
}

export type Fetch = typeof fetch;
/** A `fetch` for the SDK of a service. */
export type GuardedFetch = (tenantId: string, options?: { trustedOrigin?: string }) => Fetch;

export interface Http extends HttpService {
  /**
   * `fetch` behind the same guard. Redirects are handed back, not followed. `trustedOrigin` is an origin that the operator has configured, and
   * is reached wherever it is.
   */
  guardedFetch: GuardedFetch;
  close(): Promise<void>;
}

/** Headers that belong to the connection, not to the request. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  // The host that was checked is the one that is asked.
  "host",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

export function createHttp(options: HttpOptions): Http {
  const maxBytes = options.maxResponseBytes ?? 10 * 1024 * 1024;
  const maxRedirects = options.maxRedirects ?? 5;
  const idleTimeoutMs = options.idleTimeoutMs ?? 600_000;
  const operator = operatorPolicies(options.allow);
  const lists = createHostLists(options.hostsOf ?? (() => Promise.resolve(null)));
  const resolve = options.resolve ?? resolveBySystem;
  const trusted = trustedAgent(idleTimeoutMs);
  const guarded = new Map<string, Agent>();

  /** One for each policy: a connection that one organization may have is not lent to another. */
  function agentOf(tenantId: string, verifyTls: boolean): Agent {
    const key = operator.keyOf(tenantId);
    const name = `${key} ${verifyTls ? "strict" : "lax"}`;
    const found = guarded.get(name) ?? guardedAgent(operator.policyOf(key), resolve, verifyTls, idleTimeoutMs);
    guarded.set(name, found);
    return found;
  }

  async function request(spec: HttpRequestSpec, signal: AbortSignal): Promise<HttpResponse> {
    const limit = AbortSignal.timeout(spec.timeoutMs);
    const agent = agentOf(spec.tenantId, spec.verifyTls);
    let hop = firstHop(spec);
    try {
      const checkHost = await lists.of(spec.tenantId);
      for (let redirects = 0; ; redirects++) {
        checkHost(hop.url);
        const { response, next } = await exchange(agent, hop, spec.followRedirects, AbortSignal.any([signal, limit]), maxBytes);
        if (next === undefined) return response;
        if (redirects >= maxRedirects) throw new PerdureError("upstream.rejected", `${hop.url.host} redirects more than ${maxRedirects} times.`);
        hop = next;
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (limit.aborted) throw timedOut(hop.url.host, error);
      throw networkFailure(error, hop.url.host);
    }
  }

  const guardedFetch: GuardedFetch = (tenantId, { trustedOrigin } = {}) => {
    const send = async (input: Parameters<typeof undiciFetch>[0], init?: Parameters<typeof undiciFetch>[1]) => {
      const url = checkUrl(typeof input === "string" ? input : input instanceof URL ? input.href : input.url);
      const isTrusted = url.origin === trustedOrigin;
      if (!isTrusted) (await lists.of(tenantId))(url);
      const dispatcher = isTrusted ? trusted : agentOf(tenantId, true);
      const response = await undiciFetch(input, { ...init, redirect: "manual", dispatcher });
      const limited = response.body === null ? null : (response.body as ReadableStream<Uint8Array>).pipeThrough(limitStream(maxBytes));
      return new Response(limited, { status: response.status, statusText: response.statusText, headers: [...response.headers] });
    };
    return send as unknown as Fetch;
  };

  return {
    request,
    guardedFetch,
    close: async () => {
      await Promise.all([trusted, ...guarded.values()].map((agent) => agent.destroy()));
    },
  };
}

function firstHop(spec: HttpRequestSpec): Hop {
  const headers = Object.entries(spec.headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return {
    method: spec.method.toUpperCase(),
    url: checkUrl(spec.url),
    headers: {
      "accept-encoding": ACCEPT_ENCODING,
      accept: "*/*",
      "user-agent": "perdure",
      ...Object.fromEntries(headers.filter(([name]) => !HOP_BY_HOP.has(name))),
    },
    body: spec.body,
  };
}

async function exchange(
  agent: Agent,
  hop: Hop,
  followRedirects: boolean,
  signal: AbortSignal,
  maxBytes: number,
): Promise<{ response: HttpResponse; next: Hop | undefined }> {
  const {
    statusCode,
    headers: raw,
    body,
  } = await agent.request({
    origin: hop.url.origin,
    path: hop.url.pathname + hop.url.search,
    method: hop.method,
    headers: hop.headers,
    body: hop.body ?? null,
    signal,
  });
  const headers = Object.fromEntries(
    Object.entries(raw).flatMap(([name, value]) => (value === undefined ? [] : [[name.toLowerCase(), Array.isArray(value) ? value.join(", ") : value]])),
  );
  const response: HttpResponse = { status: statusCode, headers, body: new Uint8Array(), url: hop.url.href };
  try {
    const next = followRedirects ? follow(hop, statusCode, headers["location"]) : undefined;
    if (next !== undefined || hop.method === "HEAD") return { response, next };
    if (Number(headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
    const { bytes, decoded } = await readLimited(body, headers["content-encoding"] ?? "", maxBytes);
    if (decoded) {
      delete headers["content-encoding"];
      delete headers["content-length"];
    }
    return { response: { ...response, body: bytes }, next };
  } finally {
    body.on("error", () => {}).destroy();
  }
}
