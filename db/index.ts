/** PostgreSQL: tenants' rows behind two walls, the event log of runs, and the migrations. Every tenant query takes a `TenantId` first. */
export { migrate } from "./migrate.ts";
export { openDatabase, type DatabaseSettings } from "./open.ts";
export type { ClosedRun, RunObserver, SettledNode, SettledNodeTrace } from "./observer.ts";
export { NOT_SEALED_ANEW, SEALED, SEALED_KINDS, type SealedKind } from "./sealed.ts";
export type * from "./types/index.ts";
