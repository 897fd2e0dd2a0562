import type { ApiEnv } from "../context.ts";
import type { Caller } from "../security/caller.ts";

/**
 * A request to the routes in the name of somebody who has a connection: what is asked for there passes the same permission, limits, schemas and
 * audit log as over HTTP.
 */
export type Inner = (
  caller: Caller,
  address: string,
  request: { method: "GET" | "POST"; path: string; body?: unknown; headers?: Readonly<Record<string, string>> },
) => Promise<Response>;

export function createInner(fetch: (request: Request, env: ApiEnv["Bindings"]) => Response | Promise<Response>): Inner {
  return async (caller, address, { method, path, body, headers = {} }) => {
    const request = new Request(new URL(path, "http://localhost"), {
      method,
      headers: { ...headers, ...(body !== undefined && { "content-type": "application/json" }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return fetch(request, { inner: { caller, address } });
  };
}
