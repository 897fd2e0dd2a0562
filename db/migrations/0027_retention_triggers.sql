-- Deliveries of webhooks and firings of schedules age as well (db/queries/sweepable.ts).
create index webhook_deliveries_age_idx on webhook_deliveries (tenant_id, created_at);
-- Whether what is about to go was delivered again.
create index webhook_deliveries_again_idx on webhook_deliveries (tenant_id, redelivery_of) where redelivery_of is not null;
create index schedule_firings_age_idx on schedule_firings (tenant_id, fired_at) where attempt = 1;
grant select (id, run_id, redelivery_of, created_at) on webhook_deliveries to perdure_system;
grant select (webhook_id, signature_hash, expires_at) on webhook_replays to perdure_system;
grant select (schedule_id, scheduled_at, attempt, is_manual, outcome, run_id, fired_at) on schedule_firings to perdure_system;
