import type { NodeCategoryJson, NodeTypeJson } from "#contract/nodes.ts";
import type { Env, Logger } from "#platform";
import type { CredentialVault } from "#credentials";
import type { Database } from "#db";
import type { Http } from "#integrations/http";
import type { Payloads } from "#payloads";
import type { Checkpoints, CompileGraph, EventReader, Runs } from "#runs";
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
  | "API_KEYS_MAX"
  | "AUDIT_FIELD_MAX_BYTES"
  | "BULK_MAX_RUNS"
  | "CREDENTIALS_MAX"
  | "CUSTOM_NODES_MAX"
  | "CUSTOM_NODE_MAX_BYTES"
  | "CREDENTIAL_MAX_BYTES"
  | "CREDENTIAL_TEST_TIMEOUT_MS"
  | "OPENAI_BASE_URL"
  | "CORS_ORIGINS"
  | "INVITATION_EXPIRE_DAYS"
  | "JWT_REFRESH_TOKEN_EXPIRE_DAYS"
  | "ORGANIZATION_CONCURRENCY_LIMIT"
  | "PUBLIC_URL"
  | "RATE_LIMIT_ACCOUNT_FAILURES"
  | "RATE_LIMIT_ADDRESS"
  | "RATE_LIMIT_API_KEY"
  | "RATE_LIMIT_READS"
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
  | "TEMPORAL_NAMESPACE"
  | "TEMPORAL_UI_URL"
  | "TRUSTED_PROXIES"
  | "VARIABLES_MAX"
  | "VARIABLES_MAX_BYTES"
  | "VARIABLE_MAX_BYTES"
>;

/** All that the routes need; `server.ts` makes the real ones, a test its own. */
export interface Services {
  readonly db: Database;
  readonly runs: Runs;
  readonly checkpoints: Checkpoints;
  readonly events: EventReader;
  readonly compile: CompileGraph;
  readonly nodes: NodeRegistry;
  readonly tokens: Tokens;
  readonly passwords: Passwords;
  readonly schemas: SchemaChecks;
  readonly yaml: YamlThreads;
  readonly templates: Templates;
  /** For Temporal's Web UI, which sees sealed payloads. */
  readonly payloads: Pick<Payloads, "encode" | "show" | "rotate">;
  readonly credentials: CredentialVault;
  /** The one way out, for testing credentials. */
  readonly http: Pick<Http, "guardedFetch">;
  readonly settings: ApiSettings;
  readonly logger: Logger;
  readonly health: HealthProbes;
  /** Aborted when the process begins to shut down: streams end, `/health/ready` says no. */
  readonly shutdown: AbortSignal;
  /** Of the product, for the OpenAPI description. */
  readonly version: string;
}
