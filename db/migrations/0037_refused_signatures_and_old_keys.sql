-- Which command brought the event that was signed: where the run refuses it, the sender may repeat the call.
alter table webhook_replays add column command_id uuid;
create index webhook_replays_command_idx on webhook_replays (command_id) where command_id is not null;

-- Keys of the moments of schedules (those that begin with a blank) never go: what looks for old keys need not walk past them.
drop index idempotency_keys_age_idx;
create index idempotency_keys_age_idx on idempotency_keys (tenant_id, created_at) where key not like ' %';
