import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Provider } from "oidc-provider";

export interface Person {
  sub: string;
  email?: string;
  email_verified?: boolean;
  name?: string;
}

export const CLIENT = { id: "perdure", secret: "a secret of the client, long enough" };

/** An OpenID provider on loopback that signs in whoever `person` is at that moment, without asking. */
export async function startOidcProvider(redirectUris: string[], { claimsInIdToken = false } = {}) {
  const state: { person: Person; denies: boolean } = { person: { sub: "nobody" }, denies: false };
  const people = new Map<string, Person>();
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: CLIENT.id, client_secret: CLIENT.secret, redirect_uris: redirectUris, grant_types: ["authorization_code"] }],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    ttl: { AccessToken: 600, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
    conformIdTokenClaims: !claimsInIdToken,
    cookies: { keys: ["a key of cookies"] },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ ...people.get(sub), sub }) }),
    async loadExistingGrant(ctx) {
      const { client, account } = ctx.oidc;
      const grant = new ctx.oidc.provider.Grant({ clientId: client?.clientId ?? "", accountId: account?.accountId ?? "" });
      grant.addOIDCScope("openid email profile");
      await grant.save();
      return grant;
    },
  });
  const handle = provider.callback();
  server.on("request", (request, response) => {
    if (!request.url?.startsWith("/interaction/")) return void handle(request, response);
    people.set(state.person.sub, state.person);
    const result = state.denies ? { error: "access_denied" } : { login: { accountId: state.person.sub } };
    provider.interactionFinished(request, response, result).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  return {
    issuer,
    state,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
