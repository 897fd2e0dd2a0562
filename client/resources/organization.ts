import type { Caller } from "../client.ts";
import { linesOf } from "../lines.ts";
import { operations } from "../operations.gen.ts";
import type { CallOptions, Transport } from "../transport.ts";
import type { BodyOf, Item, QueryOf } from "../types.ts";

export type OrganizationResource = ReturnType<typeof organizationOf>;

/** The organization one acts in: what it keeps, who belongs to it, and who did what. */
export function organizationOf({ call, list }: Caller, transport: Transport) {
  const byId = (id: string) => ({ params: { id } });
  return {
    /** Those that the account belongs to; `auth.switchOrganization` goes to another. */
    all: (options?: CallOptions) => call("listOrganizations", {}, options),
    get: (options?: CallOptions) => call("getOrganization", {}, options),
    update: (body: BodyOf<"updateOrganization">, options?: CallOptions) => call("updateOrganization", { body }, options),
    /** Erases it for good. `confirm`: its name, as it is written. */
    erase: (confirm: string, options?: CallOptions) => call("eraseOrganization", { query: { confirm } }, options),
    /** What is taken away after how many days. */
    retention: (options?: CallOptions) => call("getRetention", {}, options),
    setRetention: (body: BodyOf<"setRetention">, options?: CallOptions) => call("setRetention", { body }, options),
    /** How much is kept, by kind. */
    storage: (options?: CallOptions) => call("getStorage", {}, options),
    members: {
      list: (query: QueryOf<"listMembers"> = {}, options?: CallOptions) => list("listMembers", { query }, options),
      get: (id: string, options?: CallOptions) => call("getMember", byId(id), options),
      setRole: (id: string, role: BodyOf<"updateMember">["role"], options?: CallOptions) => call("updateMember", { ...byId(id), body: { role } }, options),
      remove: (id: string, options?: CallOptions) => call("removeMember", byId(id), options),
    },
    invitations: {
      list: (query: QueryOf<"listInvitations"> = {}, options?: CallOptions) => list("listInvitations", { query }, options),
      create: (body: BodyOf<"createInvitation">, options?: CallOptions) => call("createInvitation", { body }, options),
      /** With a new token; the one before is void. */
      send: (id: string, options?: CallOptions) => call("sendInvitation", byId(id), options),
      revoke: (id: string, options?: CallOptions) => call("revokeInvitation", byId(id), options),
      /** With the account that is signed in; go there with `auth.switchOrganization`. */
      join: (token: string, options?: CallOptions) => call("joinOrganization", { body: { token } }, options),
      /** For who has no account yet, or signs in with the password: the client is then signed in to the organization. */
      async accept(body: BodyOf<"acceptInvitation">, options?: CallOptions) {
        const { access_token, refresh_token, expires_in, token_type: _type, ...account } = await call("acceptInvitation", { body }, options);
        await transport.session?.keep({ access_token, refresh_token, expires_in });
        return account;
      },
    },
    apiKeys: {
      list: (query: QueryOf<"listApiKeys"> = {}, options?: CallOptions) => list("listApiKeys", { query }, options),
      /** Its `key` is shown this once. */
      create: (body: BodyOf<"createApiKey">, options?: CallOptions) => call("createApiKey", { body }, options),
      revoke: (id: string, options?: CallOptions) => call("revokeApiKey", byId(id), options),
    },
    audit: {
      list: (query: QueryOf<"listAuditEvents"> = {}, options?: CallOptions) => list("listAuditEvents", { query }, options),
      /** All that fit, the newest first, in one answer that is read while it comes. @throws ConnectionError where it breaks off. */
      async *export(query: QueryOf<"exportAuditEvents"> = {}, options: Pick<CallOptions, "signal"> = {}) {
        const response = await transport.open(operations.exportAuditEvents, { query }, options, "application/x-ndjson");
        for await (const line of linesOf(response, options.signal)) yield JSON.parse(line) as Item<"listAuditEvents">;
      },
    },
  };
}
