-- Credentials of organizations (F2): what graphs prove themselves with to others. Values are sealed with the tenant's data key (payload_keys), bound to
-- tenant and id; nothing else here tells anything of them.
create table credentials (
  id uuid primary key,
  tenant_id uuid not null,
  name text not null,
  type text not null,
  description text not null,
  -- Names of the fields that are set.
  fields text[] not null,
  key_version integer not null,
  sealed bytea not null,
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  tested_at timestamptz,
  test_result jsonb,
  constraint credentials_key_version_check check (key_version > 0)
);
create unique index credentials_name_key on credentials (tenant_id, name);
create index credentials_list_idx on credentials (tenant_id, created_at, id);

alter table credentials enable row level security;
alter table credentials force row level security;
create policy system on credentials to perdure_system using (true) with check (true);
create policy tenant on credentials to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant());
-- What has no tenant reads no credentials: the role perdure_system is granted nothing.
grant select, insert, update, delete on credentials to perdure_app;

-- Which credentials a version's nodes name: who deletes one is told what would stop working.
alter table workflow_versions add column credentials text[] not null default '{}';
create index workflow_versions_credentials_idx on workflow_versions using gin (credentials);
