/** The REST API: `createApp` over its services, nothing that opens a connection. `server.ts` is the process. */
export { createApp } from "./app.ts";
export { createNodeRegistry } from "./node-registry.ts";
export { type Passwords, createPasswords } from "./security/passwords.ts";
export type { Principal } from "./security/principal.ts";
export { type Tokens, createTokens } from "./security/tokens.ts";
export { type SchemaChecks, createSchemaChecks } from "./schema-checks.ts";
export type { ApiSettings, HealthProbes, NodeRegistry, Services } from "./services.ts";
export { readTemplates, type Templates } from "./templates.ts";
export { createYamlThreads, type YamlThreads } from "./yaml/index.ts";
