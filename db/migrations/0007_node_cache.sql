-- What nodes with `settings.cache` came to, by a hash of what they were given.
create table node_cache (
  tenant_id uuid not null references organizations (id) on delete cascade,
  key text not null,
  result jsonb not null,
  expires_at timestamptz not null,
  primary key (tenant_id, key)
);
create index node_cache_expires_idx on node_cache (expires_at);

alter table node_cache enable row level security;
alter table node_cache force row level security;
create policy tenant on node_cache to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant());
create policy everything on node_cache to perdure_system using (true);
grant select, insert, update on node_cache to perdure_app;
-- The sweeper takes away what has expired.
grant select, delete on node_cache to perdure_system;
