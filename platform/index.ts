/** Process matters: settings, logs, shutdown. */
export * from "./env.ts";
export * from "./logger.ts";
export type { MasterKey } from "./master-keys.ts";
export type { OidcProvider } from "./oidc-providers.ts";
export type { Rate } from "./rate.ts";
