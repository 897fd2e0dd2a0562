/**
 * What an organization may have taken away after some days. `leastDays`: payloads are named by histories of ended runs, which Temporal keeps for
 * seven days in a namespace that we make and thirty as advised (docs/deployment.md); a sender comes again with a delivery within three days (Stripe:
 * https://docs.stripe.com/webhooks); a scheduled run that failed is tried again a day later at most. How each is swept: `db/queries/sweepable.ts`.
 */
export const RETENTION_KINDS = {
  run_events: { leastDays: 1 },
  node_rows: { leastDays: 1 },
  payloads: { leastDays: 31 },
  webhook_deliveries: { leastDays: 7 },
  schedule_firings: { leastDays: 2 },
  audit: { leastDays: 1 },
  idempotency_keys: { leastDays: 7 },
} as const satisfies Record<string, { leastDays: number }>;

export type RetentionKind = keyof typeof RETENTION_KINDS;

export const RETENTION_KIND_NAMES = Object.keys(RETENTION_KINDS) as [RetentionKind, ...RetentionKind[]];
export const RETENTION_MOST_DAYS = 3_650;

/** Days by kind; null: kept for ever. */
export type RetentionDays = Record<RetentionKind, number | null>;
