import { SUBPROTOCOL, SUBPROTOCOL_TOKEN_PREFIX } from "#contract";
import type { ApiContext } from "../context.ts";

/** What a browser can say in a handshake, where it cannot set headers: `?ticket=`, `?token=`, or a subprotocol. */
export function socketToken(c: ApiContext): string | undefined {
  const offered = protocolsOf(c.req.header("sec-websocket-protocol"));
  const inProtocol = offered.find((each) => each.startsWith(SUBPROTOCOL_TOKEN_PREFIX))?.slice(SUBPROTOCOL_TOKEN_PREFIX.length);
  return [c.req.query("ticket"), c.req.query("token"), inProtocol].find((each) => each !== undefined && each !== "");
}

/** The subprotocol that is agreed on: never the one with the token. */
export function agreedProtocol(offered: ReadonlySet<string>): string | false {
  if (offered.has(SUBPROTOCOL)) return SUBPROTOCOL;
  return [...offered].find((each) => !each.startsWith(SUBPROTOCOL_TOKEN_PREFIX)) ?? false;
}

function protocolsOf(header: string | undefined): string[] {
  return (header ?? "").split(",").map((each) => each.trim());
}
