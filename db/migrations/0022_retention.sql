-- How long each organization keeps what its runs leave behind (K4). What is swept is swept by perdure_system, an organization at a time.

-- `days`: kind → days, or null for keeping; a kind that is absent has the operator's default.
create table retention_settings (
  tenant_id uuid primary key references organizations (id),
  days jsonb not null
);
alter table retention_settings enable row level security;
alter table retention_settings force row level security;
create policy system on retention_settings to perdure_system using (true) with check (true);
create policy tenant on retention_settings to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant());
grant select, insert, update on retention_settings to perdure_app;
grant select on retention_settings to perdure_system;

-- When the events, and the rows of nodes, of a closed run were taken away.
alter table runs add column events_swept_at timestamptz, add column nodes_swept_at timestamptz;
create index runs_events_sweep_idx on runs (tenant_id, completed_at) where completed_at is not null and events_swept_at is null;
create index runs_nodes_sweep_idx on runs (tenant_id, completed_at) where completed_at is not null and nodes_swept_at is null;
grant update (events_swept_at, nodes_swept_at) on runs to perdure_system;
grant delete on run_events, node_executions, audit_events, payload_blobs to perdure_system;
grant select, delete on receipts to perdure_system;
grant select on audit_events, payload_blobs to perdure_system;
