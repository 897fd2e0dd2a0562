import type { NodeCategoryJson, NodeTypeJson } from "#contract/nodes.ts";
import type { Env, Logger } from "#platform";
import type { CredentialVault } from "#credentials";
import type { Database } from "#db";
import type { Http } from "#integrations/http";
import type { Mailer } from "#integrations/mail";
import type { Oidc } from "#integrations/oidc";
import type { Payloads } from "#payloads";
import type { Checkpoints, CompileGraph, EventReader, Runs, Schedules } from "#runs";
import type { Metrics, Tracing } from "#telemetry";
import type { Installation } from "./installation.ts";
import type { SchemaChecks } from "./schema-checks.ts";
import type { Passwords } from "./security/passwords.ts";
import type { Tokens } from "./security/tokens.ts";
import type { Templates } from "./templates.ts";
import type { YamlThreads } from "./yaml/index.ts";

/** The registry as the API shows it. */
export interface NodeRegistry {
  list(): readonly NodeTypeJson[];
  categories(): readonly NodeCategoryJson[];
  /** By name or alias. */
  get(type: string): NodeTypeJson | undefined;
}

/** Each resolves when the dependency answers, and rejects when it does not; bounded by the caller. */
export interface HealthProbes {
  postgres(signal: AbortSignal): Promise<void>;
  temporal(signal: AbortSignal): Promise<void>;
  qdrant(signal: AbortSignal): Promise<void>;
}

export type ApiSettings = Pick<
  Env,
  | "CONCURRENCY_WAITING_MS"
  | "ANALYTICS_MAX_ROWS"
  | "API_KEYS_MAX"
  | "AUDIT_FIELD_MAX_BYTES"
  | "AUDIT_REFUSAL_INTERVAL_MS"
  | "BULK_MAX_RUNS"
  | "CREDENTIALS_MAX"
  | "CUSTOM_NODES_MAX"
  | "CUSTOM_NODE_MAX_BYTES"
  | "CREDENTIAL_MAX_BYTES"
  | "CREDENTIAL_TEST_TIMEOUT_MS"
  | "OPENAI_BASE_URL"
  | "CORS_ORIGINS"
  | "EMAIL_TOKEN_EXPIRE_HOURS"
  | "HEALTH_DETAILED"
  | "HTTP_TEST_TIMEOUT_MS"
  | "INVITATION_EXPIRE_DAYS"
  | "JWT_REFRESH_GRACE_MS"
  | "JWT_REFRESH_TOKEN_EXPIRE_DAYS"
  | Extract<keyof Env, `LIVE_${string}`>
  | "METRICS_TOKEN"
  | "NODE_OUTPUT_MAX_BYTES"
  | "ORGANIZATION_CONCURRENCY_LIMIT"
  | "OIDC_FLOW_EXPIRE_MINUTES"
  | "PASSWORD_RESET_EXPIRE_MINUTES"
  | "OTEL_PROPAGATORS"
  | "OUTBOUND_HOSTS_MAX"
  | "PUBLIC_URL"
  | "RATE_LIMIT_ACCOUNT_FAILURES"
  | "RATE_LIMIT_ACCOUNT_MAILS"
  | "RATE_LIMIT_INVITATION_MAILS"
  | "RATE_LIMIT_ADDRESS"
  | "RATE_LIMIT_API_KEY"
  | "RATE_LIMIT_LIVE_MESSAGES"
  | "RATE_LIMIT_READS"
  | "RATE_LIMIT_SECOND_FACTOR_FAILURES"
  | "RATE_LIMIT_SIGN_IN_FAILURES"
  | "RATE_LIMIT_STARTS"
  | "RATE_LIMIT_USER"
  | "RATE_LIMIT_WRITES"
  | "REGISTRATION"
  | "REQUEST_MAX_BODY_BYTES"
  | "RETENTION_AUDIT_DAYS"
  | "RETENTION_NODE_ROWS_DAYS"
  | "RETENTION_PAYLOADS_DAYS"
  | "RETENTION_RUN_EVENTS_DAYS"
  | "RUN_INPUTS_MAX_BYTES"
  | "RUN_WAIT_MAX_MS"
  | "SECOND_FACTOR_EXPIRE_MINUTES"
  | "SECOND_FACTOR_ISSUER"
  | "SMTP_TIMEOUT_MS"
  | "STREAM_REAUTHORIZE_INTERVAL_MS"
  | "TEMPORAL_NAMESPACE"
  | "TEMPORAL_UI_URL"
  | "TRUSTED_PROXIES"
  | "VARIABLES_MAX"
  | "VARIABLES_MAX_BYTES"
  | "VARIABLE_MAX_BYTES"
  | "WEB_URL"
  | "WEBHOOK_BASE_URL"
  | "WEBHOOK_BODY_MAX_BYTES"
  | "WEBHOOK_LOGGED_MAX_BYTES"
>;

/** All that the routes need; `server.ts` makes the real ones, a test its own. */
export interface Services {
  readonly db: Database;
  readonly runs: Runs;
  readonly checkpoints: Checkpoints;
  readonly schedules: Schedules;
  readonly events: EventReader;
  readonly compile: CompileGraph;
  readonly nodes: NodeRegistry;
  readonly tokens: Tokens;
  readonly passwords: Passwords;
  readonly schemas: SchemaChecks;
  readonly yaml: YamlThreads;
  readonly templates: Templates;
  /** For Temporal's Web UI, which sees sealed payloads, and for what accounts and webhooks keep sealed. */
  readonly payloads: Pick<Payloads, "encode" | "show" | "rotate" | "newestKey" | "seal" | "open">;
  readonly credentials: CredentialVault;
  /** The one way out, for testing credentials and requests. */
  readonly http: Pick<Http, "guardedFetch" | "request">;
  readonly mailer: Mailer;
  /** Providers to sign in with. */
  readonly oidc: Oidc;
  readonly settings: ApiSettings;
  readonly logger: Logger;
  readonly health: HealthProbes;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly installation: Installation;
  /** Aborted when the process begins to shut down: streams end, `/health/ready` says no. */
  readonly shutdown: AbortSignal;
  /** Of the product, for the OpenAPI description. */
  readonly version: string;
}
