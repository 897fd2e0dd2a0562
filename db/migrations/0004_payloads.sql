-- What the payload codec keeps: the tenants' data keys, and payloads too large for a history (docs/decisions/010-payload-codec.md).

-- A data key is written once and stays: what it sealed may be read for years. Only how it is wrapped changes, when the master key does.
create table payload_keys (
  tenant_id uuid not null,
  version integer not null,
  -- Id of the master key in PAYLOAD_KEYS that wraps it.
  master_id text not null,
  wrapped bytea not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, version),
  constraint payload_keys_version_check check (version > 0)
);

-- Sealed bytes under an HMAC of what is in them, so the same content of one tenant (under one data key) is stored once.
create table payload_blobs (
  tenant_id uuid not null,
  hash text not null,
  bytes bytea not null,
  created_at timestamptz not null default now(),
  -- Within a few hours: when a payload that names it was last made or read. What nothing names any longer may go.
  used_at timestamptz not null default now(),
  primary key (tenant_id, hash)
);
create index payload_blobs_used_idx on payload_blobs (used_at);
-- Sealed bytes do not shrink.
alter table payload_blobs alter column bytes set storage external;

do $$
declare
  name text;
begin
  foreach name in array array['payload_keys', 'payload_blobs']
  loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy system on %I to perdure_system using (true) with check (true)', name);
    execute format('create policy tenant on %I to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant())', name);
  end loop;
end
$$;

grant select, insert on payload_keys, payload_blobs to perdure_app;
grant update (used_at) on payload_blobs to perdure_app;
-- Wrapping keys anew.
grant select on payload_keys to perdure_system;
grant update (master_id, wrapped) on payload_keys to perdure_system;
