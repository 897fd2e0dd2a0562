-- Schedules (C3). The table says what there should be; Temporal, which fires them, is brought in line with it (docs/decisions/023-schedules.md).
create table schedules (
  id uuid primary key,
  tenant_id uuid not null,
  workflow_id uuid not null references workflows (id),
  -- The timer of the workflow that it starts at; null where runs begin as they do by hand.
  node_id text,
  -- Who says how it is: the timer of the published version, or who wrote it by REST.
  source text not null default 'api',
  name text not null,
  definition jsonb not null,
  inputs jsonb not null,
  enabled boolean not null,
  note text not null default '',
  -- Since when it is not enabled.
  paused_at timestamptz,
  -- Moments up to then fire although it is not enabled: a backfill asked for them.
  backfilled_to timestamptz,
  -- Firings that count against the most there may be.
  executions integer not null default 0,
  -- All firings: the number of the next is one more.
  firings integer not null default 0,
  -- Goes up with each change; Temporal had it as of `synced_revision`.
  revision integer not null default 1,
  synced_revision integer not null default 0,
  sync_error text,
  changed_at timestamptz not null default now(),
  -- When Temporal was last found to have it as it should be.
  checked_at timestamptz,
  -- When a worker last took it up to compare.
  taken_at timestamptz,
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint schedules_source_check check (source in ('node', 'api')),
  constraint schedules_paused_check check (enabled = (paused_at is null))
);
create index schedules_list_idx on schedules (tenant_id, created_at, id) where deleted_at is null;
create index schedules_workflow_idx on schedules (tenant_id, workflow_id, created_at, id) where deleted_at is null;
create unique index schedules_node_key on schedules (workflow_id, node_id) where deleted_at is null and node_id is not null;
create index schedules_due_idx on schedules (taken_at nulls first) where deleted_at is null;
create index schedules_unsynced_idx on schedules (changed_at) where revision <> synced_revision;

-- What became of each moment. A moment fires once: the key says so.
create table schedule_firings (
  tenant_id uuid not null,
  schedule_id uuid not null references schedules (id),
  scheduled_at timestamptz not null,
  -- 1, or more where a run that failed was started again.
  attempt integer not null,
  number integer not null,
  is_manual boolean not null,
  outcome text not null default 'pending',
  run_id uuid,
  error jsonb,
  -- Temporal's workflow that waits for the run, or the idempotency key of who started it by hand.
  starter text,
  fired_at timestamptz not null default now(),
  primary key (schedule_id, scheduled_at, attempt),
  constraint schedule_firings_outcome_check check (outcome in ('pending', 'started', 'refused', 'missed'))
);
create index schedule_firings_list_idx on schedule_firings (tenant_id, schedule_id, fired_at, attempt);
create unique index schedule_firings_run_key on schedule_firings (run_id) where run_id is not null;
create unique index schedule_firings_starter_key on schedule_firings (schedule_id, starter, attempt) where starter is not null;

do $$
declare
  name text;
begin
  foreach name in array array['schedules', 'schedule_firings']
  loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy system on %I to perdure_system using (true) with check (true)', name);
    execute format('create policy tenant on %I to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant())', name);
  end loop;
end
$$;
grant select, insert, update on schedules, schedule_firings to perdure_app;
-- The rounds of the workers look for what is not in line.
grant select on schedules to perdure_system;
grant update (taken_at) on schedules to perdure_system;
