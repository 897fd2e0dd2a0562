-- Keys of services, members, invitations, limits of rate and the audit log (F1, F3, F4, F5).

-- A key is a random text of which only the hash is stored. It acts for the member who made it.
create table api_keys (
  id uuid primary key,
  tenant_id uuid not null references organizations (id),
  created_by uuid not null references users (id),
  name text not null,
  -- What a person may see of the key, to tell it from others.
  prefix text not null,
  key_hash text not null,
  scopes text[] not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone,
  last_used_at timestamp with time zone,
  revoked_at timestamp with time zone
);
create unique index api_keys_hash_key on api_keys (key_hash);
create index api_keys_list_idx on api_keys (tenant_id, created_at, id);

create table invitations (
  id uuid primary key,
  tenant_id uuid not null references organizations (id),
  email text not null,
  role text not null,
  token_hash text not null,
  invited_by uuid not null references users (id),
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  accepted_at timestamp with time zone,
  accepted_by uuid references users (id),
  revoked_at timestamp with time zone,
  constraint invitations_role_check check (role in ('admin', 'editor', 'operator', 'viewer'))
);
create unique index invitations_hash_key on invitations (token_hash);
create unique index invitations_open_key on invitations (tenant_id, lower(email)) where accepted_at is null and revoked_at is null;
create index invitations_list_idx on invitations (tenant_id, created_at, id);

create table audit_events (
  id uuid primary key,
  tenant_id uuid not null,
  at timestamp with time zone not null default now(),
  user_id uuid not null,
  api_key_id uuid,
  role text not null,
  action text not null,
  resource_type text not null,
  resource_id text,
  method text not null,
  path text not null,
  status integer not null,
  before jsonb,
  after jsonb,
  ip text not null,
  user_agent text not null,
  correlation_id text not null
);
create index audit_events_list_idx on audit_events (tenant_id, at, id);
create index audit_events_resource_idx on audit_events (tenant_id, resource_id, at, id) where resource_id is not null;

-- Buckets of tokens, shared by all processes. Worth nothing after a crash, hence unlogged. One that is full again says no more than none.
create unlogged table rate_buckets (
  key text primary key,
  tokens double precision not null,
  -- Tokens that the last statement got.
  taken double precision not null,
  updated_at timestamp with time zone not null,
  full_at timestamp with time zone not null
);
create index rate_buckets_full_idx on rate_buckets (full_at);

do $$
declare
  name text;
begin
  foreach name in array array['api_keys', 'invitations', 'audit_events', 'rate_buckets']
  loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy system on %I to perdure_system using (true) with check (true)', name);
  end loop;
  foreach name in array array['api_keys', 'invitations', 'audit_events']
  loop
    execute format('create policy tenant on %I to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant())', name);
  end loop;
end
$$;

-- Inside a tenant: hashes can be written and not read.
grant select (id, tenant_id, created_by, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at) on api_keys to perdure_app;
grant insert, update (revoked_at) on api_keys to perdure_app;
grant select (id, tenant_id, email, role, invited_by, created_at, expires_at, accepted_at, accepted_by, revoked_at) on invitations to perdure_app;
grant insert, update (revoked_at) on invitations to perdure_app;
grant update (role), delete on memberships to perdure_app;
grant update (name) on organizations to perdure_app;
-- What was written is never changed.
grant select, insert on audit_events to perdure_app;

-- What has no tenant yet: a key or a token that somebody shows.
grant select, update (last_used_at) on api_keys to perdure_system;
grant select, update (accepted_at, accepted_by) on invitations to perdure_system;
grant select, insert, update, delete on rate_buckets to perdure_system;
