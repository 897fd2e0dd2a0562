/** Process matters: settings, logs, shutdown. */
export * from "./env.ts";
export * from "./logger.ts";
export { inLogContext, logContext } from "./log-context.ts";
export type { MasterKey } from "./master-keys.ts";
export type { OidcProvider } from "./oidc-providers.ts";
export type { Rate } from "./rate.ts";
