-- Who shows that an address is theirs, of an account that somebody else made with it, ends what others were let into by it (docs/decisions/036). Locking a row
-- of organizations takes the right to change something of it.
grant update (revision) on organizations to perdure_system;
grant update (role, revision) on memberships to perdure_system;
grant update (revoked_at) on invitations to perdure_system;

-- Idempotency keys of runs that have ended may be taken away (db/queries/sweepable.ts).
create index idempotency_keys_age_idx on idempotency_keys (tenant_id, created_at);
grant select (key, run_id, created_at, request_hash) on idempotency_keys to perdure_system;
