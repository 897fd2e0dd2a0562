import ipaddr from "ipaddr.js";
import { z } from "zod";
import { RETENTION_KINDS, RETENTION_MOST_DAYS, type RetentionKind } from "#core";
import { parseMasterKeys } from "./master-keys.ts";
import { oidcProviders } from "./oidc-providers.ts";
import { rate } from "./rate.ts";

const flag = z.stringbool();
const retentionDays = (kind: RetentionKind) => z.coerce.number().int().min(RETENTION_KINDS[kind].leastDays).max(RETENTION_MOST_DAYS).optional();
/** `first`, `*` or an organization's id. */
const READER = /^(first|\*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const list = z.string().transform((text) =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean),
);

const masterKeys = z.string().transform((text, context) => {
  try {
    return parseMasterKeys(text);
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
    return z.NEVER;
  }
});

/** `key=value,key2=value2`, values percent-encoded: what OpenTelemetry's variables hold. */
const pairs = z.string().transform((text) =>
  Object.fromEntries(
    text.split(",").flatMap((pair): [string, string][] => {
      const at = pair.indexOf("=");
      return at < 1 ? [] : [[pair.slice(0, at).trim(), unescapePercent(pair.slice(at + 1).trim())]];
    }),
  ),
);

const isOrigin = (text: string): boolean => text === "*" || (/^https?:/.test(text) && URL.parse(text)?.origin === text);
const webAddress = z.string().refine((text) => /^https?:\/\/[^\s/]/.test(text) && URL.canParse(text), "takes an address such as https://perdure.example.com");

/**
 * Every setting and its default. The only place that reads `process.env`; `.env.example` says what each means (a test compares the names).
 */
export const envSchema = z.object({
  DATABASE_URL: z.string().default("postgres://postgres:postgres@127.0.0.1:5432/perdure"),
  DATABASE_POOL_SIZE: z.coerce.number().int().min(2).max(200).default(10),
  /** Of one statement, waiting for locks included; PostgreSQL ends it, and the caller is told to come again (503). */
  DATABASE_STATEMENT_TIMEOUT_MS: z.coerce.number().int().min(100).default(30_000),
  TEMPORAL_ADDRESS: z.string().default("127.0.0.1:7233"),
  TEMPORAL_NAMESPACE: z.string().default("perdure"),
  TEMPORAL_TASK_QUEUE: z.string().min(1).default("graph"),
  TEMPORAL_TLS: flag.default(false),
  TEMPORAL_API_KEY: z.string().optional(),
  /** Runs that a worker keeps in memory; any other is built up again from its history when something happens to it. */
  WORKER_CACHED_RUNS: z.coerce.number().int().min(2).optional(),
  /** Name of the worker deployment in Temporal, and which build of it this worker is: with both, Temporal decides which build gets which runs. */
  WORKER_DEPLOYMENT: z
    .string()
    .regex(/^[^.]{1,200}$/, "no dots, at most 200 characters")
    .optional(),
  WORKER_BUILD_ID: z.string().min(1).max(200).optional(),
  TEMPORAL_UI_URL: z.string().default("http://127.0.0.1:8233"),
  QDRANT_URL: z.string().default("http://127.0.0.1:6333"),
  QDRANT_API_KEY: z.string().optional(),
  HOST: z.string().default("127.0.0.1"),
  PORT: z.coerce.number().int().min(0).max(65535).default(8000),
  PUBLIC_URL: webAddress.optional(),
  /** Signs access tokens; at least 32 characters. `npm start` makes one and keeps it. */
  JWT_SECRET_KEY: z.string().min(32).optional(),
  /** Secrets that signed before: what they signed is taken until it expires. */
  JWT_PREVIOUS_SECRET_KEYS: list.refine((keys) => keys.every((key) => key.length >= 32), "takes secrets of at least 32 characters").default([]),
  /** Wrap the keys that seal payloads: `id:base64,…`, the first one current. `npm start` makes one and keeps it. */
  PAYLOAD_KEYS: masterKeys.optional(),
  /** A payload of more bytes, sealed, is stored beside Temporal and only named in a history. Far below the 256 KiB that may enter one. */
  PAYLOAD_INLINE_MAX_BYTES: z.coerce
    .number()
    .int()
    .min(1024)
    .max(64 * 1024)
    .default(32 * 1024),
  /** Payloads of fewer bytes are not compressed. */
  PAYLOAD_COMPRESS_FROM_BYTES: z.coerce.number().int().positive().default(1024),
  /** Of stored payloads that one process keeps in memory. */
  PAYLOAD_CACHE_BYTES: z.coerce
    .number()
    .int()
    .min(0)
    .default(64 * 1024 * 1024),
  /** What a process keeps of them and has not used for so long is forgotten. */
  PAYLOAD_CACHE_IDLE_MS: z.coerce.number().int().positive().default(30_000),
  /** How long a process may go on sealing with a key after another was made. */
  PAYLOAD_KEY_REFRESH_MS: z.coerce.number().int().positive().default(30_000),
  /** Of one payload that the codec endpoint shows; larger ones are only named. */
  PAYLOAD_SHOWN_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(4 * 1024 * 1024),
  /** Of all that it opens for one request; those that come after are only named. */
  PAYLOAD_SHOWN_TOTAL_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(32 * 1024 * 1024),
  JWT_ACCESS_TOKEN_EXPIRE_MINUTES: z.coerce.number().positive().default(30),
  JWT_REFRESH_TOKEN_EXPIRE_DAYS: z.coerce.number().positive().default(7),
  /** How long a refresh token that was exchanged is taken once more, for an answer that was lost and calls that race. 0: not at all. */
  JWT_REFRESH_GRACE_MS: z.coerce.number().int().min(0).max(300_000).default(10_000),
  /** Where mails go: `smtp://user:password@host:port`, `smtps://…`, or `log:`, which prints them. */
  SMTP_URL: z
    .string()
    .refine((text) => text === "log:" || /^smtps?:$/.test(URL.parse(text)?.protocol ?? ""), "must begin with smtp: or smtps:, or be log:")
    .optional(),
  SMTP_TIMEOUT_MS: z.coerce.number().int().positive().default(10_000),
  MAIL_FROM: z.string().default("Perdure <perdure@localhost>"),
  /** Where the pages are that people open: links in mails lead there, and sign-in with a provider may return there. */
  WEB_URL: z
    .string()
    .refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ""), "must be an http or https URL")
    .optional(),
  EMAIL_TOKEN_EXPIRE_HOURS: z.coerce.number().positive().max(720).default(48),
  PASSWORD_RESET_EXPIRE_MINUTES: z.coerce.number().positive().max(1_440).default(30),
  /** Between the first step of a sign-in and its second. */
  SECOND_FACTOR_EXPIRE_MINUTES: z.coerce.number().positive().max(60).default(5),
  /** What an authenticator shows beside the account. */
  SECOND_FACTOR_ISSUER: z.string().min(1).max(50).default("Perdure"),
  /** OpenID providers to sign in with, as a JSON array. */
  OIDC_PROVIDERS: oidcProviders.prefault("[]"),
  OIDC_TIMEOUT_MS: z.coerce.number().int().positive().default(10_000),
  /** Between leaving for a provider and coming back. */
  OIDC_FLOW_EXPIRE_MINUTES: z.coerce.number().positive().max(60).default(10),
  /** Passwords that are being hashed or wait for it in one api; whoever comes then is told to come again (429). */
  PASSWORD_HASHES_MAX: z.coerce.number().int().positive().default(128),
  /** Proxies whose `X-Forwarded-For` is believed: addresses and CIDRs. */
  TRUSTED_PROXIES: list
    .refine((entries) => entries.every((entry) => (entry.includes("/") ? ipaddr.isValidCIDR(entry) : ipaddr.isValid(entry))), "takes addresses and CIDRs")
    .default([]),
  /** Requests: of one address, one member, one API key; of a member or key to start runs, to read, to change. */
  RATE_LIMIT_ADDRESS: rate.prefault("off"),
  RATE_LIMIT_USER: rate.prefault("60000/m"),
  RATE_LIMIT_API_KEY: rate.prefault("60000/m"),
  RATE_LIMIT_STARTS: rate.prefault("off"),
  RATE_LIMIT_READS: rate.prefault("off"),
  RATE_LIMIT_WRITES: rate.prefault("off"),
  /** Wrong passwords and tokens: from one address, and for one account. */
  RATE_LIMIT_SIGN_IN_FAILURES: rate.prefault("120/m"),
  RATE_LIMIT_ACCOUNT_FAILURES: rate.prefault("100/h"),
  /** Wrong codes of one account's second factor, and mails to one address that anybody can ask for. */
  RATE_LIMIT_SECOND_FACTOR_FAILURES: rate.prefault("20/h"),
  RATE_LIMIT_ACCOUNT_MAILS: rate.prefault("5/h"),
  /** Invitations that an organization can have mailed. */
  RATE_LIMIT_INVITATION_MAILS: rate.prefault("100/h"),
  /** Days in which an invitation can be accepted. */
  INVITATION_EXPIRE_DAYS: z.coerce.number().positive().max(3_650).default(7),
  /** Of one field, before or after, of an entry of the audit log; what is longer stands there as its length and hash. */
  AUDIT_FIELD_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(16 * 1024),
  /** One entry of the audit log stands for all that one caller is refused on one route in this time. */
  AUDIT_REFUSAL_INTERVAL_MS: z.coerce.number().int().min(0).default(60_000),
  /** Live API keys of one organization. */
  API_KEYS_MAX: z.coerce.number().int().positive().default(1_000),
  LOG_LEVEL: z.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).default("info"),
  CORS_ORIGINS: list.refine((origins) => origins.every(isOrigin), "takes *, or origins such as https://app.example.com").default([]),
  REGISTRATION: z.enum(["open", "closed"]).default("open"),
  /** Hosts and CIDRs that nodes may reach although they are private: of all organizations, or of one, with `<its id>=` before it. */
  OUTBOUND_ALLOW: list.default([]),
  OUTBOUND_MAX_RESPONSE_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(10 * 1024 * 1024),
  OUTBOUND_MAX_REDIRECTS: z.coerce.number().int().min(0).default(5),
  /** Longest silence of a server that is called, where the call has no time limit of its own. */
  OUTBOUND_IDLE_TIMEOUT_MS: z.coerce.number().int().positive().default(600_000),
  /** Of the list of hosts to which an organization narrows itself. */
  OUTBOUND_HOSTS_MAX: z.coerce.number().int().positive().default(1_000),
  /** Organizations whose graphs read secrets of the environment: ids, `first` (the one that was made first) or `*` (all). */
  SECRETS_ORGANIZATIONS: list
    .transform((entries) => entries.map((entry) => entry.toLowerCase()))
    .refine((entries) => entries.every((entry) => READER.test(entry)), "takes ids of organizations, `first` and `*`")
    .default(["first"]),
  /** Where graphs read `{{secrets.NAME}}` from, the first that has it: `env:`, `vault:https://host:8200/<mount>/<path>` (KV version 2). */
  SECRET_STORES: list.default(["env:"]),
  VAULT_TOKEN: z.string().optional(),
  /** Of HashiCorp Vault Enterprise. */
  VAULT_NAMESPACE: z.string().optional(),
  /** How old what a secret store said may be. */
  SECRET_CACHE_MS: z.coerce.number().int().min(0).default(30_000),
  /** Of one question to a secret store. */
  SECRET_STORE_TIMEOUT_MS: z.coerce.number().int().positive().default(5_000),
  /** Variables of an organization, and of a workflow: how many, their names and values in all, and one value, as JSON. */
  VARIABLES_MAX: z.coerce.number().int().positive().default(200),
  VARIABLES_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(64 * 1024),
  VARIABLE_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(16 * 1024),
  /** Node types that an organization may have registered, and the definition of one as JSON. */
  CUSTOM_NODES_MAX: z.coerce.number().int().positive().default(200),
  CUSTOM_NODE_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(32 * 1024),
  /** Credentials of one organization. */
  CREDENTIALS_MAX: z.coerce.number().int().positive().default(1_000),
  /** Of the values of one credential, as JSON. */
  CREDENTIAL_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(16 * 1024),
  /** Of testing one credential against its provider. */
  CREDENTIAL_TEST_TIMEOUT_MS: z.coerce.number().int().positive().default(10_000),
  /** Of testing one HTTP request, whatever it asks for; the default is that of the node. */
  HTTP_TEST_TIMEOUT_MS: z.coerce.number().int().positive().max(300_000).default(30_000),
  /** What webhook URLs begin with, where it is not PUBLIC_URL. */
  WEBHOOK_BASE_URL: webAddress.optional(),
  /** Of a call of a webhook, whatever the webhook allows. */
  WEBHOOK_BODY_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .max(16 * 1024 * 1024)
    .default(4 * 1024 * 1024),
  /** Of a call's body, and of its answer, in the log of deliveries; what is longer stands there as its length. */
  WEBHOOK_LOGGED_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(16 * 1024),
  OPENAI_API_KEY: z.string().optional(),
  OPENAI_BASE_URL: z.string().optional(),
  REQUEST_MAX_BODY_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(6 * 1024 * 1024),
  RUN_WAIT_MAX_MS: z.coerce.number().int().positive().default(120_000),
  /** How often an open stream asks whether its caller may still read it; one whose token has expired or was revoked ends. */
  STREAM_REAUTHORIZE_INTERVAL_MS: z.coerce.number().int().min(100).default(15_000),
  /** Of the headers of a request, from its first byte to the last, and of the request as a whole. */
  REQUEST_HEADERS_TIMEOUT_MS: z.coerce.number().int().min(100).default(30_000),
  REQUEST_TIMEOUT_MS: z.coerce.number().int().min(100).default(300_000),
  /** Of all headers of a request together. */
  REQUEST_MAX_HEADER_BYTES: z.coerce
    .number()
    .int()
    .min(1024)
    .default(16 * 1024),
  /** Of the inputs of a run, and of its variables. */
  RUN_INPUTS_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(1024 * 1024),
  /** Of a body in YAML, which costs far more to read than JSON; larger ones can be sent as JSON. */
  YAML_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(1024 * 1024),
  /** Of what nodes of an earlier run came to, in a run that goes on from it; Temporal takes 2 MiB with graph and inputs. */
  RUN_GIVEN_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(1024 * 1024),
  /** Uses of anchors in one YAML document. */
  YAML_MAX_ALIASES: z.coerce.number().int().min(0).default(100),
  /** Of reading or writing one YAML document. */
  YAML_TIMEOUT_MS: z.coerce.number().int().positive().default(5_000),
  /** Runs that one bulk operation may be about. */
  BULK_MAX_RUNS: z.coerce.number().int().positive().default(10_000),
  /** After which runs that a worker had taken up and not settled go to another. */
  BULK_LEASE_MS: z.coerce.number().int().min(1000).default(60_000),
  /** Of checking one value against a user's JSON schema. */
  SCHEMA_CHECK_TIMEOUT_MS: z.coerce.number().int().positive().default(1_000),
  /** Of what the rows of one page of a list hold; a page may have fewer rows for it, and one in any case. */
  PAGE_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(16 * 1024 * 1024),
  NODE_OUTPUT_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(50 * 1024 * 1024),
  NODE_HEARTBEAT_TIMEOUT_MS: z.coerce.number().int().min(1000).default(30_000),
  SUB_WORKFLOW_MAX_DEPTH: z.coerce.number().int().min(1).max(100).default(10),
  COMMAND_WAIT_MS: z.coerce.number().int().positive().default(5_000),
  JSONATA_TIMEOUT_MS: z.coerce.number().int().positive().default(5_000),
  JSONATA_MEMORY_MB: z.coerce.number().int().positive().default(128),
  /** Of one run of a Code node, waiting for its fetches included. */
  CODE_TIMEOUT_MS: z.coerce.number().int().positive().default(5_000),
  CODE_MEMORY_MB: z.coerce.number().int().min(16).max(1024).default(64),
  CODE_SOURCE_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(256 * 1024),
  CODE_OUTPUT_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(1024 * 1024),
  CODE_MAX_FETCHES: z.coerce.number().int().min(0).default(20),
  /** Code nodes at once in one worker. */
  CODE_THREADS: z.coerce.number().int().min(1).max(64).default(2),
  /** Failures in a row of one host or model provider, of one tenant, after which it is left alone for a while. */
  BREAKER_FAILURES: z.coerce.number().int().positive().default(5),
  BREAKER_OPEN_MS: z.coerce.number().int().positive().default(30_000),
  /** Hosts and providers that are watched at once; the one not called for the longest time is forgotten first. */
  BREAKER_MAX_TARGETS: z.coerce.number().int().positive().default(1_000),
  /** How often a worker tells which circuits stand open; one that has gone is forgotten after three times as long. */
  BREAKER_REPORT_INTERVAL_MS: z.coerce.number().int().min(100).default(10_000),
  /** In Temporal priority goes before fairness: `installation` lets it count among all organizations, `organization` only in each one's queue. */
  PRIORITY_SCOPE: z.enum(["installation", "organization"]).default("installation"),
  /** Runs under way at once: of the whole installation, and of one organization, which may set itself less. Without a number: no limit. */
  RUNS_CONCURRENCY_LIMIT: z.coerce.number().int().positive().optional(),
  ORGANIZATION_CONCURRENCY_LIMIT: z.coerce.number().int().positive().optional(),
  /** Runs of one organization that may be queued for a slot; a start beyond them is refused (429). */
  ORGANIZATION_QUEUE_LIMIT: z.coerce.number().int().positive().max(1_000_000).default(10_000),
  /** A run that waits for a person, an event or a timer gives its slot to the next after this time. */
  CONCURRENCY_WAITING_MS: z.coerce.number().int().positive().max(2_000_000_000).default(60_000),
  /** Schedules of one organization. */
  SCHEDULES_MAX: z.coerce.number().int().positive().default(1_000),
  /** The shortest time between two moments of a schedule. */
  SCHEDULE_MIN_INTERVAL_SECONDS: z.coerce.number().int().min(1).max(86_400).default(1),
  /** How late a moment may be fired after an outage: where a schedule does not say, and at most. */
  SCHEDULE_CATCHUP_DEFAULT_SECONDS: z.coerce.number().int().min(10).default(86_400),
  SCHEDULE_CATCHUP_MAX_SECONDS: z.coerce.number().int().min(10).default(31_536_000),
  /** Days that one backfill may be about. */
  SCHEDULE_BACKFILL_MAX_DAYS: z.coerce.number().int().positive().max(3_650).default(366),
  /** Runs that one backfill may make. Temporal lists no more than a thousand moments. */
  SCHEDULE_BACKFILL_MAX_RUNS: z.coerce.number().int().positive().max(999).default(500),
  /** How often each schedule is compared with what Temporal has. */
  SCHEDULE_CHECK_INTERVAL_MS: z.coerce.number().int().min(100).default(60_000),
  /** WebSockets open at once in one process of the api: all, of one organization, of one member. */
  LIVE_CONNECTIONS_MAX: z.coerce.number().int().positive().default(20_000),
  LIVE_CONNECTIONS_ORGANIZATION_MAX: z.coerce.number().int().positive().default(10_000),
  LIVE_CONNECTIONS_USER_MAX: z.coerce.number().int().positive().default(200),
  /** Of those, the ones whose caller has not said yet who they are, and the time they have for it. */
  LIVE_ANONYMOUS_MAX: z.coerce.number().int().min(0).default(200),
  LIVE_ANONYMOUS_MS: z.coerce.number().int().positive().default(5_000),
  /** Topics of one connection of the hub. */
  LIVE_TOPICS_MAX: z.coerce.number().int().positive().default(100),
  /** Of one message that the hub is sent. */
  LIVE_MESSAGE_MAX_BYTES: z.coerce
    .number()
    .int()
    .min(1024)
    .default(64 * 1024),
  /** What one connection may send. */
  LIVE_MESSAGE_RATE: rate.prefault("20/s burst 100"),
  /** Of what members send to topics as JSON. PostgreSQL carries it to the other processes, in 8,000 bytes with all that stands around it. */
  LIVE_PAYLOAD_MAX_BYTES: z.coerce.number().int().positive().max(6_000).default(4_096),
  /** Messages that a member or an API key sends to topics. */
  RATE_LIMIT_LIVE_MESSAGES: rate.prefault("600/m"),
  /** What waits for one reader. Beyond it events of runs stay in the log until the reader has read on, and other messages are dropped. */
  LIVE_QUEUE_MAX_BYTES: z.coerce
    .number()
    .int()
    .min(1024)
    .default(256 * 1024),
  /** A reader for whom more waits so long is disconnected. */
  LIVE_SLOW_READER_MS: z.coerce.number().int().positive().default(15_000),
  LIVE_PING_INTERVAL_MS: z.coerce.number().int().positive().default(20_000),
  /** How long a connection may outlive a revoked session, key or membership; ten seconds more where the process remembers it. */
  LIVE_RECHECK_INTERVAL_MS: z.coerce.number().int().positive().default(15_000),
  /** How long members are shown as watching after their process has gone. */
  LIVE_PRESENCE_MS: z.coerce.number().int().min(1000).default(30_000),
  /** Runs that a topic of many runs is resumed with. */
  LIVE_RESUME_RUNS_MAX: z.coerce.number().int().positive().max(500).default(200),
  SWEEP_INTERVAL_MS: z.coerce.number().int().positive().default(10_000),
  SWEEP_SILENT_MS: z.coerce.number().int().positive().default(15_000),
  /** Days after which what ended runs leave behind is taken away, where an organization says nothing itself; without a number: kept. */
  RETENTION_RUN_EVENTS_DAYS: retentionDays("run_events"),
  RETENTION_NODE_ROWS_DAYS: retentionDays("node_rows"),
  RETENTION_PAYLOADS_DAYS: retentionDays("payloads"),
  RETENTION_WEBHOOK_DELIVERIES_DAYS: retentionDays("webhook_deliveries"),
  RETENTION_SCHEDULE_FIRINGS_DAYS: retentionDays("schedule_firings"),
  RETENTION_AUDIT_DAYS: retentionDays("audit"),
  RETENTION_IDEMPOTENCY_KEYS_DAYS: retentionDays("idempotency_keys"),
  /** How often a worker looks for it. */
  RETENTION_INTERVAL_MS: z.coerce.number().int().min(100).default(3_600_000),
  /** How long nothing of an organization that is being erased must have been found before it counts as erased. */
  ERASURE_SETTLE_MS: z.coerce.number().int().min(0).default(120_000),
  SHUTDOWN_GRACE_MS: z.coerce.number().int().positive().default(20_000),
  /** Rows of runs or nodes that one question to the analytics looks at, the newest. */
  ANALYTICS_MAX_ROWS: z.coerce.number().int().min(1).max(10_000_000).default(100_000),
  /** Ports of their own for `/metrics`, not to be reached from outside; 0 takes any free one. Without a number none is opened. */
  API_METRICS_PORT: z.coerce.number().int().min(0).max(65535).optional(),
  WORKER_METRICS_PORT: z.coerce.number().int().min(0).max(65535).optional(),
  METRICS_HOST: z.string().default("127.0.0.1"),
  /** Reads `/metrics`: on the API's own port nobody does without. */
  METRICS_TOKEN: z.string().min(16).optional(),
  /** Webhooks and vector collections that metrics tell apart; the rest are `other`. */
  METRICS_ENTITIES: z.coerce.number().int().min(0).max(10_000).default(0),
  /** Who sees `/health/detailed`: everybody, or who has METRICS_TOKEN. */
  HEALTH_DETAILED: z.enum(["public", "token"]).default("public"),
  /** OpenTelemetry's own variables, as its specification has them. Without an endpoint nothing is traced. */
  OTEL_SDK_DISABLED: flag.default(false),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: z.url().optional(),
  OTEL_EXPORTER_OTLP_HEADERS: pairs.default({}),
  OTEL_EXPORTER_OTLP_TIMEOUT: z.coerce.number().int().positive().default(10_000),
  OTEL_SERVICE_NAME: z.string().optional(),
  OTEL_RESOURCE_ATTRIBUTES: pairs.default({}),
  OTEL_TRACES_SAMPLER: z
    .enum(["always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"])
    .default("parentbased_always_on"),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1),
  OTEL_BSP_SCHEDULE_DELAY: z.coerce.number().int().positive().default(5_000),
  OTEL_BSP_MAX_QUEUE_SIZE: z.coerce.number().int().min(512).default(2_048),
  /** `tracecontext`: a request's `traceparent` is gone on with. `none`: every request begins its own trace. */
  OTEL_PROPAGATORS: z.enum(["tracecontext", "none"]).default("tracecontext"),
  /** Hosts (`host`, `*.suffix`, with `:port` or without) that are sent `traceparent` by nodes. */
  TRACE_OUTBOUND_HOSTS: list.default([]),
});

function unescapePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export type Env = z.output<typeof envSchema> & { secret(name: string): string | undefined };

/** Secrets that graphs may name as `{{secrets.X}}` come only from variables that begin so. */
const SECRET_PREFIX = "PERDURE_SECRET_";

/** @throws an Error that lists every setting that is wrong, without its value. */
export function readEnv(source: Record<string, string | undefined> = process.env): Env {
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== undefined && value !== ""));
  const parsed = envSchema.safeParse(given);
  if (!parsed.success) {
    throw new Error(`Settings in the environment are wrong:\n${parsed.error.issues.map((issue) => `  ${issue.path.join(".")}: ${issue.message}`).join("\n")}`);
  }
  return { ...parsed.data, secret: (name) => (/^[A-Za-z0-9_]+$/.test(name) ? source[SECRET_PREFIX + name] : undefined) };
}

/** As `readEnv`; where settings are wrong, a program ends with 1 and says which on standard error, without a stack. */
export function readEnvOrExit(): Env {
  try {
    return readEnv();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(1);
  }
}
