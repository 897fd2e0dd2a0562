/** Signing in with OpenID providers: discovery, PKCE, state and nonce by openid-client, every request through the guarded client. */
import * as client from "openid-client";
import { PerdureError } from "#core";
import type { Http } from "#integrations/http";
import type { OidcProvider } from "#platform";

/** What must be kept between the way to the provider and the way back, where nobody else can read it. */
export interface OidcFlow {
  state: string;
  nonce: string;
  codeVerifier: string;
}

/** What a provider says of who signed in there. */
export interface OidcClaims {
  issuer: string;
  subject: string;
  /** Only one that the provider says is verified. */
  email: string | undefined;
  name: string | undefined;
}

export interface Oidc {
  providers(): readonly { id: string; name: string; issuer: string }[];
  /** @throws PerdureError `resource.not_found` for a provider that is not configured, `upstream.failed` where it does not answer as it should. */
  begin(providerId: string, redirectUri: string): Promise<{ url: string; flow: OidcFlow }>;
  /** @param query of the request that came back. @throws PerdureError `auth.invalid` for anything that is not the answer to this flow; `upstream.failed`. */
  finish(providerId: string, redirectUri: string, query: URLSearchParams, flow: OidcFlow): Promise<OidcClaims>;
}

/** After which the provider's metadata are read again. */
const DISCOVERED_FOR_MS = 3_600_000;
/** Of what a provider says; longer ones are not stored. */
const SUBJECT_MAX_LENGTH = 255;

export function createOidc({
  providers,
  http,
  timeoutMs,
  now = Date.now,
}: {
  providers: readonly OidcProvider[];
  http: Pick<Http, "guardedFetch">;
  timeoutMs: number;
  now?: () => number;
}): Oidc {
  const discovered = new Map<string, { at: number; configuration: Promise<client.Configuration> }>();

  function provider(id: string): OidcProvider {
    const found = providers.find((each) => each.id === id);
    if (!found) throw new PerdureError("resource.not_found", "There is no such provider.");
    return found;
  }

  async function configurationOf(of: OidcProvider): Promise<client.Configuration> {
    const kept = discovered.get(of.id);
    if (kept && now() - kept.at < DISCOVERED_FOR_MS) return kept.configuration;
    const configuration = discover(of);
    discovered.set(of.id, { at: now(), configuration });
    configuration.catch(() => discovered.delete(of.id));
    return configuration;
  }

  function discover({ issuer, client_id, client_secret }: OidcProvider): Promise<client.Configuration> {
    const server = new URL(issuer);
    const guarded = http.guardedFetch("sign-in", { trustedOrigin: server.origin });
    const fetch: client.CustomFetch = (url, options) => guarded(url, options as RequestInit);
    const authentication = client_secret === undefined ? client.None() : undefined;
    return client.discovery(server, client_id, client_secret, authentication, {
      [client.customFetch]: fetch,
      timeout: timeoutMs / 1_000,
      // Settings take plain http only on this very machine.
      execute: server.protocol === "http:" ? [client.allowInsecureRequests] : [],
    });
  }

  return {
    providers: () => providers.map(({ id, name, issuer }) => ({ id, name: name ?? id, issuer })),

    async begin(providerId, redirectUri) {
      const of = provider(providerId);
      const configuration = await configurationOf(of).catch(unreachable(of));
      const flow = { state: client.randomState(), nonce: client.randomNonce(), codeVerifier: client.randomPKCECodeVerifier() };
      const url = client.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: of.scopes,
        state: flow.state,
        nonce: flow.nonce,
        code_challenge: await client.calculatePKCECodeChallenge(flow.codeVerifier),
        code_challenge_method: "S256",
      });
      return { url: url.href, flow };
    },

    async finish(providerId, redirectUri, query, { state, nonce, codeVerifier }) {
      const of = provider(providerId);
      const configuration = await configurationOf(of).catch(unreachable(of));
      const answered = new URL(redirectUri);
      answered.search = query.toString();
      let claims: Readonly<Record<string, unknown>> & { iss: string; sub: string };
      try {
        const tokens = await client.authorizationCodeGrant(configuration, answered, {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: codeVerifier,
          idTokenExpected: true,
        });
        const told = tokens.claims();
        if (!told) throw new Error("no ID token");
        // Many say in it no more than who it is.
        const asksFor = told["email"] === undefined && configuration.serverMetadata().userinfo_endpoint !== undefined;
        claims = asksFor ? { ...(await client.fetchUserInfo(configuration, tokens.access_token, told.sub)), ...told } : told;
      } catch (cause) {
        throw new PerdureError("auth.invalid", "The provider did not confirm this sign-in. Begin it again.", { cause });
      }
      if (claims.sub === "" || claims.sub.length > SUBJECT_MAX_LENGTH) throw new PerdureError("auth.invalid", "The provider does not say who signed in.");
      const { email, name, email_verified: isVerified } = claims;
      return {
        issuer: claims.iss,
        subject: claims.sub,
        email: isVerified === true && typeof email === "string" ? email : undefined,
        name: typeof name === "string" ? name : undefined,
      };
    },
  };
}

function unreachable({ name, id }: OidcProvider): (cause: unknown) => never {
  return (cause) => {
    throw new PerdureError("upstream.failed", `${name ?? id} cannot be reached, or does not answer as an OpenID provider.`, { cause });
  };
}
