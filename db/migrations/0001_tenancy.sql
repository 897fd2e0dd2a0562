-- Two walls (architecture.md 5): the queries name the tenant, and so do these policies, for whatever the queries forget.
-- Roles are made by db/roles.ts before any migration, since they belong to the cluster and not to this database.

create function perdure_tenant() returns uuid language sql stable parallel safe
  as $$ select nullif(current_setting('perdure.tenant', true), '')::uuid $$;

do $$
declare
  name text;
begin
  for name in select c.relname from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' and c.relname in (
    'organizations', 'users', 'memberships', 'refresh_tokens', 'login_activity', 'workflows', 'workflow_versions', 'runs', 'node_executions',
    'run_events', 'approvals', 'commands', 'receipts', 'idempotency_keys')
  loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy system on %I to perdure_system using (true) with check (true)', name);
  end loop;
  foreach name in array array['memberships', 'workflows', 'workflow_versions', 'runs', 'node_executions', 'run_events', 'approvals', 'commands', 'receipts', 'idempotency_keys']
  loop
    execute format('create policy tenant on %I to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant())', name);
  end loop;
end
$$;
create policy tenant on organizations to perdure_app using (id = perdure_tenant());

do $$ begin execute format('grant usage on schema %I to perdure_app, perdure_system', current_schema()); end $$;
revoke execute on function perdure_tenant() from public;
grant execute on function perdure_tenant() to perdure_app, perdure_system;

-- Inside a tenant. Users, refresh tokens and login activity are not among it.
grant select on organizations, memberships to perdure_app;
grant select, insert, update on workflows, runs, node_executions, approvals, commands, receipts to perdure_app;
-- Versions, keys and events are never changed.
grant select, insert on workflow_versions, idempotency_keys, run_events to perdure_app;

-- What has no tenant yet: sign-up and sign-in.
grant select, insert on organizations, users, memberships, login_activity to perdure_system;
grant select, insert on refresh_tokens to perdure_system;
grant update (rotated_at, revoked_at) on refresh_tokens to perdure_system;
-- The event writer, the sweeper and the relay.
grant select on runs to perdure_system;
grant update (status, started_at, last_seq, last_event_at, checked_at) on runs to perdure_system;
grant select, insert, update on node_executions, approvals to perdure_system;
grant select, insert on run_events to perdure_system;
grant select on commands to perdure_system;
grant update (relayed_at) on commands to perdure_system;
