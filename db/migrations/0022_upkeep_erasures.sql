-- Erasing an organization: a job that workers take up until nothing of it is left (K4). The row goes last.
create table erasures (
  tenant_id uuid primary key,
  requested_by uuid not null,
  -- Users who belonged to no other organization.
  members uuid[] not null default '{}',
  requested_at timestamptz not null default now(),
  -- A worker is at it.
  taken_at timestamptz,
  -- When nothing was found for the first time; it is looked for again after a while, for what was still on its way.
  emptied_at timestamptz
);
alter table erasures enable row level security;
alter table erasures force row level security;
create policy system on erasures to perdure_system using (true) with check (true);
create policy tenant on erasures to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant());
grant select, insert on erasures to perdure_app;
grant select, update, delete on erasures to perdure_system;

-- A table with organizations that comes later grants this itself; tests/component/erasure.test.ts fails where it does not.
do $$
declare
  name text;
begin
  for name in select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
    where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace
  loop
    execute format('grant select (tenant_id), delete on %I to perdure_system', name);
  end loop;
end
$$;
grant delete on organizations, users, login_activity, identities, user_sessions to perdure_system;
