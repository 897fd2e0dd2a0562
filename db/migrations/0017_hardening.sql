-- The hosts that an organization's nodes may reach (F4); null: all that the operator lets them.
alter table organizations add column outbound_hosts text[];
grant update (outbound_hosts) on organizations to perdure_app;

-- The audit log is kept as long as the operator says (F5).
create index audit_events_age_idx on audit_events (at);
grant select (id, at), delete on audit_events to perdure_system;
