import { routes } from "#contract";
import { type JsonObject, PerdureError } from "#core";
import type { OidcClaims, OidcFlow } from "#integrations/oidc";
import { getCookie } from "hono/cookie";
import type { ApiContext } from "../context.ts";
import type { Handlers } from "../mount.ts";
import { notFound } from "../problem.ts";
import { createProviderAccounts } from "../security/provider-accounts.ts";
import { createSessions } from "../security/sessions.ts";
import { CODE_SECONDS, type SignInCodes } from "../security/sign-in-codes.ts";
import { hashToken } from "../security/tokens.ts";
import type { Services } from "../services.ts";
import { forCodec } from "./auth.ts";

type OidcRoute = "listOidcProviders" | "startOidc" | "finishOidc" | "exchangeOidc";

/** Ties the way back to the browser that began: nobody else's sign-in can be finished in it. */
const COOKIE = "perdure_oidc_";
const COOKIE_PATH = routes.listOidcProviders.path;
const SEALED_FOR = "oidc";

interface SealedFlow extends JsonObject {
  provider: string;
  state: string;
  nonce: string;
  code_verifier: string;
  challenge: string;
  return_to: string | null;
}

export function oidcHandlers(services: Services, codes: SignInCodes): Handlers<OidcRoute> {
  const { oidc, settings, tokens, logger } = services;
  const { proceed, choose } = createSessions(services);
  const accountOf = createProviderAccounts(services);
  const isSecure = settings.PUBLIC_URL?.startsWith("https:") ?? false;
  const lifetimeSeconds = Math.round(settings.OIDC_FLOW_EXPIRE_MINUTES * 60);

  const originOf = (c: ApiContext): string => (settings.PUBLIC_URL === undefined ? new URL(c.req.url).origin : settings.PUBLIC_URL.replace(/\/+$/, ""));
  const addressOf = (c: ApiContext, path: string, provider: string): string => originOf(c) + path.replace("{provider}", provider);
  const cookieName = (state: string): string => COOKIE + hashToken(state).slice(0, 16);
  const cookie = (name: string, value: string, seconds: number): string =>
    `${name}=${value}; Path=${COOKIE_PATH}; Max-Age=${seconds}; HttpOnly; SameSite=Lax${isSecure ? "; Secure" : ""}`;

  /** Only pages of ours: anything else would hand sign-ins to whoever wrote the link. */
  function returnTo(text: string | undefined): URL | undefined {
    if (text === undefined) return undefined;
    const url = URL.parse(text);
    const allowed = [settings.WEB_URL, ...settings.CORS_ORIGINS].flatMap((each) => (each !== undefined && URL.canParse(each) ? [new URL(each).origin] : []));
    if (!url || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "" || !allowed.includes(url.origin)) {
      throw new PerdureError("validation.failed", "The request is not valid.", {
        findings: [{ code: "validation.return_to", message: "is no page of WEB_URL or CORS_ORIGINS", path: "query.return_to" }],
      });
    }
    return url;
  }

  function away(to: URL | string, headers: Readonly<Record<string, string>> = {}): Response {
    return new Response(null, { status: 302, headers: { location: String(to), "cache-control": "no-store", "referrer-policy": "no-referrer", ...headers } });
  }

  async function openFlow(c: ApiContext, provider: string, state: string | null): Promise<SealedFlow> {
    const sealed = state === null || state === "" ? undefined : getCookie(c, cookieName(state));
    const flow = sealed === undefined ? undefined : ((await tokens.unseal(SEALED_FOR, sealed)) as SealedFlow | undefined);
    if (flow?.provider !== provider || flow.state !== state) {
      throw new PerdureError("auth.invalid", "This sign-in was not begun in this browser, or took too long. Begin it again.");
    }
    return flow;
  }

  return {
    async listOidcProviders({ c }) {
      return { status: 200, body: oidc.providers().map(({ id, name }) => ({ id, name, start_url: addressOf(c, routes.startOidc.path, id) })) };
    },

    async startOidc({ params: { provider }, query, c }) {
      const page = returnTo(query.return_to);
      const { url, flow } = await oidc.begin(provider, addressOf(c, routes.finishOidc.path, provider));
      const sealed: SealedFlow = {
        provider,
        state: flow.state,
        nonce: flow.nonce,
        code_verifier: flow.codeVerifier,
        challenge: query.code_challenge,
        return_to: page?.href ?? null,
      };
      return away(url, { "set-cookie": cookie(cookieName(flow.state), await tokens.seal(SEALED_FOR, sealed, lifetimeSeconds), lifetimeSeconds) });
    },

    async finishOidc({ params: { provider }, c }) {
      if (!oidc.providers().some(({ id }) => id === provider)) throw notFound("provider");
      const query = new URL(c.req.url).searchParams;
      const sealed = await openFlow(c, provider, query.get("state"));
      const gone = { "set-cookie": cookie(cookieName(sealed.state), "", 0) };
      const flow: OidcFlow = { state: sealed.state, nonce: sealed.nonce, codeVerifier: sealed.code_verifier };
      let claims: OidcClaims;
      try {
        claims = await oidc.finish(provider, addressOf(c, routes.finishOidc.path, provider), query, flow);
      } catch (error) {
        if (sealed.return_to === null || !(error instanceof PerdureError)) throw error;
        logger.info({ err: error, correlation_id: c.get("correlationId") }, "a sign-in with a provider came to nothing");
        return away(withFragment(sealed.return_to, { error: error.code }), gone);
      }
      const code = await codes.issue(claims, sealed.challenge);
      if (sealed.return_to !== null) return away(withFragment(sealed.return_to, { code }), gone);
      return { status: 200, body: { code, expires_in: CODE_SECONDS }, headers: { ...gone, "cache-control": "no-store" } };
    },

    async exchangeOidc({ body, c }) {
      const kept = await codes.use(body.code, body.code_verifier);
      if (!kept) throw new PerdureError("auth.invalid", "The code is not valid, was used, or has expired.");
      const user = await accountOf(kept, c);
      const step = await proceed(user, await choose(user.id, undefined), "oidc", c);
      if ("secondFactor" in step) return { status: 202, body: step.secondFactor };
      return { status: 200, body: step.tokens, headers: forCodec(step.tokens, settings) };
    },
  };
}

/** Behind `#`, so that it reaches the page and no server. */
function withFragment(page: string, values: Readonly<Record<string, string>>): URL {
  const url = new URL(page);
  url.hash = new URLSearchParams(values).toString();
  return url;
}
