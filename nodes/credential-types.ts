import { z } from "zod";
import { PerdureError } from "#core";
import { toBase64 } from "./http/wire.ts";

/** Of a credential: text by field. */
export type CredentialValues = Readonly<Record<string, string>>;

/** What an HTTP request carries to prove who sends it; names of headers in lower case. */
export interface HttpProof {
  headers: Record<string, string>;
  query: Record<string, string>;
}

/** A request whose answer tells whether the other side takes the credential. */
export interface CredentialProbe extends HttpProof {
  url: string;
}

export interface ProviderDefaults {
  /** With its version, without a slash at the end. */
  openaiBaseUrl: string;
}

/** A kind of credential: what it consists of, and how it is used. Adding one to `CREDENTIAL_TYPES` is all it takes. */
export interface CredentialType {
  readonly type: string;
  /** Names that other systems give it (`service_type`). */
  readonly aliases: readonly string[];
  readonly displayName: string;
  readonly description: string;
  /** Every value is text. */
  readonly schema: z.ZodType<CredentialValues, unknown>;
  /** Fields that are no secrets and may stand in outputs; all others are redacted. */
  readonly plain: ReadonlySet<string>;
  /** Hosts that an HTTP request of a graph may carry it to: patterns as in `allowed_hosts`; undefined where any. */
  hosts(values: CredentialValues): readonly string[] | undefined;
  proof(values: CredentialValues): HttpProof;
  /** Undefined where nobody knows whom to ask. `url`: given for this one test. */
  probe(values: CredentialValues, defaults: ProviderDefaults, url?: string): CredentialProbe | undefined;
}

const ANTHROPIC = "https://api.anthropic.com";
const ANTHROPIC_VERSION = "2023-06-01";
/** Visible ASCII with spaces inside: what any header may hold. */
const HEADER_VALUE = /^[\x20-\x7e]*$/;
/** A token of RFC 9110 5.6.2. */
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/;
/** `example.com`, `*.example.com`, either with `:port`. */
const HOST = /^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?$/;

const secret = () => z.string().trim().min(1, "must not be empty").regex(HEADER_VALUE, "must be visible ASCII").meta({ format: "password", writeOnly: true });
const httpUrl = () =>
  z
    .string()
    .trim()
    .refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ""), "is no http or https URL")
    .refine((text) => URL.parse(text)?.username === "" && URL.parse(text)?.password === "", "must not hold a user name or password")
    .meta({ format: "uri" });
const baseUrl = () => httpUrl().transform((text) => text.replace(/\/+$/, ""));
const allowedHosts = () =>
  z
    .string()
    .refine((text) => hostList(text).every((host) => HOST.test(host)), "takes hosts separated by commas: `example.com`, `*.example.com`, `example.com:8443`")
    .optional()
    .describe("Hosts that requests may carry it to, separated by commas; without it, any.");
const testUrl = () => httpUrl().optional().describe("Where a GET tells whether it is taken.");

const http = { allowed_hosts: allowedHosts(), test_url: testUrl() };
const HTTP_PLAIN = ["allowed_hosts", "test_url"];

const allowed = ({ allowed_hosts: hosts }: CredentialValues): readonly string[] | undefined => (hosts ? hostList(hosts) : undefined);
const asked = (type: Pick<CredentialType, "proof">, values: CredentialValues, url: string | undefined): CredentialProbe | undefined => {
  const target = url ?? values["test_url"];
  return target === undefined ? undefined : { url: target, ...type.proof(values) };
};
const header = (name: string, value: string): HttpProof => ({ headers: { [name.toLowerCase()]: value }, query: {} });
const hostOf = (url: string): string[] => [URL.parse(url)?.host ?? ""];

interface HttpType {
  type: string;
  aliases: readonly string[];
  displayName: string;
  description: string;
  schema: CredentialType["schema"];
  plain?: readonly string[];
  proof: CredentialType["proof"];
}

/** Of no provider in particular: it goes where the graph says, within `allowed_hosts`. */
function httpType({ plain = [], ...type }: HttpType): CredentialType {
  return { ...type, plain: new Set([...HTTP_PLAIN, ...plain]), hosts: allowed, probe: (values, _defaults, url) => asked(type, values, url) };
}

export const CREDENTIAL_TYPES: readonly CredentialType[] = [
  {
    type: "openai",
    aliases: ["openai_api", "OpenAI"],
    displayName: "OpenAI",
    description: "OpenAI, or a server that speaks its language.",
    schema: z.strictObject({
      api_key: secret().describe("The key."),
      base_url: baseUrl().optional().describe("Another server, with its version: `https://models.example.com/v1`."),
    }) as z.ZodType<CredentialValues, unknown>,
    plain: new Set(["base_url"]),
    hosts: ({ base_url: url = "https://api.openai.com" }) => hostOf(url),
    proof: (values) => header("authorization", `Bearer ${values["api_key"] ?? ""}`),
    probe({ base_url: url, ...values }, { openaiBaseUrl }) {
      return { url: `${url ?? openaiBaseUrl}/models`, ...this.proof(values) };
    },
  },
  {
    type: "anthropic",
    aliases: ["anthropic_api", "Anthropic", "claude"],
    displayName: "Anthropic",
    description: "Anthropic's API.",
    schema: z.strictObject({
      api_key: secret().describe("The key."),
      base_url: baseUrl().optional().describe("Another server, without the version."),
    }) as z.ZodType<CredentialValues, unknown>,
    plain: new Set(["base_url"]),
    hosts: ({ base_url: url = ANTHROPIC }) => hostOf(url),
    proof: (values) => ({ headers: { "x-api-key": values["api_key"] ?? "", "anthropic-version": ANTHROPIC_VERSION }, query: {} }),
    probe({ base_url: url = ANTHROPIC, ...values }) {
      return { url: `${url}/v1/models`, ...this.proof(values) };
    },
  },
  httpType({
    type: "http_basic",
    aliases: ["basic", "basic_auth", "basicAuth", "httpBasicAuth"],
    displayName: "User name and password",
    description: "HTTP Basic authentication.",
    schema: z.strictObject({
      username: z.string().regex(/^[^:\p{Cc}]*$/u, "must hold no colon and no control characters"),
      password: z
        .string()
        .regex(/^\P{Cc}*$/u, "must hold no control characters")
        .meta({ format: "password", writeOnly: true }),
      ...http,
    }) as z.ZodType<CredentialValues, unknown>,
    plain: ["username"],
    proof: (values) => header("authorization", `Basic ${toBase64(new TextEncoder().encode(`${values["username"] ?? ""}:${values["password"] ?? ""}`))}`),
  }),
  httpType({
    type: "http_bearer",
    aliases: ["bearer", "bearer_token", "token", "httpBearerAuth"],
    displayName: "Bearer token",
    description: "A token in the header `Authorization`.",
    schema: z.strictObject({ token: secret().describe("Without the word Bearer."), ...http }) as z.ZodType<CredentialValues, unknown>,
    proof: (values) => header("authorization", `Bearer ${values["token"] ?? ""}`),
  }),
  httpType({
    type: "http_header",
    aliases: ["api_key", "apiKey", "header", "httpHeaderAuth"],
    displayName: "Header",
    description: "A key in a header of its own.",
    schema: z.strictObject({
      name: z.string().regex(HEADER_NAME, "is no name of a header").describe("Name of the header."),
      value: secret(),
      ...http,
    }) as z.ZodType<CredentialValues, unknown>,
    plain: ["name"],
    proof: (values) => header(values["name"] ?? "", values["value"] ?? ""),
  }),
  httpType({
    type: "http_query",
    aliases: ["query", "httpQueryAuth"],
    displayName: "Query parameter",
    description: "A key in the URL. A header is better where the service takes one: URLs end up in logs.",
    schema: z.strictObject({ name: z.string().min(1).max(100).describe("Name of the parameter."), value: secret(), ...http }) as z.ZodType<
      CredentialValues,
      unknown
    >,
    plain: ["name"],
    proof: (values) => ({ headers: {}, query: { [values["name"] ?? ""]: values["value"] ?? "" } }),
  }),
  httpType({
    type: "generic",
    aliases: ["custom", "headers", "other"],
    displayName: "Other",
    description: "Any fields. An HTTP request carries each as a header of its name.",
    schema: z
      .object(http)
      .catchall(secret())
      .refine((values) => Object.keys(values).some((name) => !HTTP_PLAIN.includes(name)), "needs at least one field")
      .refine((values) => Object.keys(values).every((name) => HEADER_NAME.test(name)), "has a field whose name no header can have") as z.ZodType<
      CredentialValues,
      unknown
    >,
    proof: (values) => ({
      headers: Object.fromEntries(
        Object.entries(values)
          .filter(([name]) => !HTTP_PLAIN.includes(name))
          .map(([name, value]) => [name.toLowerCase(), value]),
      ),
      query: {},
    }),
  }),
];

const byName = new Map(CREDENTIAL_TYPES.flatMap((type) => [type.type, ...type.aliases].map((name) => [name.toLowerCase(), type] as const)));

/** By name or alias, in any letter case. */
export function credentialType(name: string): CredentialType | undefined {
  return byName.get(name.toLowerCase());
}

/** All of them: what HttpRequest takes. */
export const HTTP_CREDENTIALS: readonly string[] = CREDENTIAL_TYPES.map(({ type }) => type);

/** @throws PerdureError `outbound.refused` where the credential is not for this host. */
export function proofFor(credential: { type: string; values: CredentialValues }, url: URL): HttpProof {
  const type = credentialType(credential.type);
  if (!type) throw new PerdureError("configuration.invalid", `There is no type of credentials called ${credential.type}.`);
  const hosts = type.hosts(credential.values);
  if (hosts && !hosts.some((pattern) => isHost(pattern, url))) {
    throw new PerdureError("outbound.refused", `The credential is for ${hosts.join(", ")} and is not sent to ${url.host}.`);
  }
  return type.proof(credential.values);
}

function hostList(text: string): string[] {
  return text
    .split(",")
    .map((host) => host.trim().toLowerCase())
    .filter(Boolean);
}

function isHost(pattern: string, url: URL): boolean {
  const subject = pattern.includes(":") ? url.host : url.hostname;
  return pattern.startsWith("*.") ? subject.endsWith(pattern.slice(1)) : subject === pattern;
}
