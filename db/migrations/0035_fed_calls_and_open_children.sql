-- A call of a webhook that is handed to a run which waits takes its key as one that starts a run does; where the run does not take the event, the key is free again.
grant delete on idempotency_keys to perdure_app;

-- What a run that ended without a word has left behind.
create index runs_open_children_idx on runs (tenant_id, parent_id) where parent_id is not null and completed_at is null;
