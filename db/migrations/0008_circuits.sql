-- What circuit breakers stand open (A17). They live in the workers; each worker tells what its own do, for as long as `expires_at` says.
create table circuits (
  tenant_id uuid not null,
  worker uuid not null,
  kind text not null,
  name text not null,
  circuit jsonb not null,
  expires_at timestamptz not null,
  primary key (tenant_id, worker, kind, name)
);
create index circuits_worker_idx on circuits (worker);
create index circuits_expires_idx on circuits (expires_at);

alter table circuits enable row level security;
alter table circuits force row level security;
create policy system on circuits to perdure_system using (true) with check (true);
create policy tenant on circuits to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant());
-- Hosts that a tenant calls are nobody else's business: tenants read their own rows, workers write all.
grant select on circuits to perdure_app;
grant select, insert, update, delete on circuits to perdure_system;
