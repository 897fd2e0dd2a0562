-- Against lost updates: a number that every change of a row raises, told as its ETag.
alter table workflows add column revision integer not null default 1;
update workflows set revision = version;
alter table credentials add column revision integer not null default 1;

-- Lists of workflows in other orders, and of deleted ones.
create index workflows_by_name_idx on workflows (tenant_id, name, id) where deleted_at is null;
create index workflows_by_change_idx on workflows (tenant_id, updated_at, id) where deleted_at is null;
create index workflows_deleted_idx on workflows (tenant_id, created_at, id) where deleted_at is not null;
create index credentials_by_name_idx on credentials (tenant_id, name, id);

-- Variables of organizations (without workflow_id) and of workflows (F6). What runs read was fixed when they began.
create table variables (
  id uuid primary key,
  tenant_id uuid not null,
  workflow_id uuid references workflows (id),
  name text not null,
  value jsonb not null,
  description text not null,
  revision integer not null default 1,
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
-- Also the order in which they are listed.
create unique index variables_name_key on variables (tenant_id, workflow_id, name) nulls not distinct;

-- Node types that organizations have registered (D5). A version is never changed: plans hold what they were compiled with.
create table custom_nodes (
  id uuid primary key,
  tenant_id uuid not null,
  name text not null,
  version integer not null,
  revision integer not null default 1,
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create unique index custom_nodes_name_key on custom_nodes (tenant_id, name);

create table custom_node_versions (
  tenant_id uuid not null,
  custom_node_id uuid not null references custom_nodes (id),
  version integer not null,
  definition jsonb not null,
  created_by uuid,
  created_at timestamptz not null default now(),
  primary key (custom_node_id, version)
);
create index custom_node_versions_list_idx on custom_node_versions (tenant_id, custom_node_id, version);

do $$
declare
  name text;
begin
  foreach name in array array['variables', 'custom_nodes', 'custom_node_versions']
  loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy system on %I to perdure_system using (true) with check (true)', name);
    execute format('create policy tenant on %I to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant())', name);
  end loop;
end
$$;
grant select, insert, update, delete on variables to perdure_app;
grant select, insert, update on custom_nodes to perdure_app;
grant select, insert on custom_node_versions to perdure_app;
