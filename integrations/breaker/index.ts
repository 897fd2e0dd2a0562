/**
 * Circuit breakers (A17): a host or model provider that fails several times in a row is left alone for a while, then one call tries whether it
 * is back. Each tenant has its own, so that nobody's settings, keys or time-outs close a door for others. They live in the process: each worker
 * learns for itself.
 */
import type { Http } from "../http/index.ts";
import type { ModelService } from "#nodes";
import { createBreakers, type Breakers, type BreakerOptions, type BreakerState } from "./breakers.ts";
import { judgeError, judgeStatus } from "./outcome.ts";

export { createBreakers, type Breakers, type BreakerOptions, type BreakerState };

/** The same service behind breakers, one per tenant and host (with its port) of the request; redirects count for the host they came from. */
export function breakHttp<T extends Pick<Http, "request" | "guardedFetch">>(http: T, breakers: Breakers): T {
  const request: Http["request"] = (spec, signal) => {
    const host = URL.parse(spec.url)?.host;
    if (host === undefined) return http.request(spec, signal);
    return breakers.run({ tenantId: spec.tenantId, kind: "http", name: host }, () => http.request(spec, signal), {
      signal,
      ofResult: ({ status }) => judgeStatus(status),
      ofError: judgeError,
    });
  };
  const guardedFetch: Http["guardedFetch"] = (tenantId, options) => {
    const send = http.guardedFetch(tenantId, options);
    return (input, init) => {
      const host = URL.parse(typeof input === "string" ? input : input instanceof URL ? input.href : input.url)?.host;
      if (host === undefined) return send(input, init);
      const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
      return breakers.run({ tenantId, kind: "http", name: host }, () => send(input, init), {
        signal,
        ofResult: ({ status }) => judgeStatus(status),
        ofError: judgeError,
      });
    };
  };
  return { ...http, request, guardedFetch };
}

/** The same service behind breakers, one per tenant, provider and, where the node names its own server, that server's host. */
export function breakModels(models: ModelService, breakers: Breakers): ModelService {
  return {
    ...models,
    chat: (request, onToken, signal) => {
      const host = request.baseUrl === undefined ? undefined : URL.parse(request.baseUrl)?.host;
      const name = host === undefined ? request.provider : `${request.provider} at ${host}`;
      return breakers.run({ tenantId: request.tenantId, kind: "model", name }, () => models.chat(request, onToken, signal), {
        signal,
        ofResult: () => "well",
        ofError: judgeError,
      });
    },
  };
}
