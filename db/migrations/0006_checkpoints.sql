-- Runs that go on from others, and operations on many runs at once.

create index runs_forked_idx on runs (tenant_id, forked_from, created_at, id) where forked_from is not null;

create table bulk_jobs (
  id uuid primary key,
  tenant_id uuid not null,
  action text not null,
  filter jsonb not null,
  options jsonb not null,
  status text not null,
  rate_per_minute integer not null,
  created_by uuid not null,
  created_at timestamp with time zone not null default now(),
  completed_at timestamp with time zone,
  -- When its next runs are due.
  next_at timestamp with time zone not null default now(),
  constraint bulk_jobs_status_check check (status in ('pending', 'running', 'completed', 'cancelled'))
);
create index bulk_jobs_list_idx on bulk_jobs (tenant_id, created_at, id);
create index bulk_jobs_due_idx on bulk_jobs (next_at) where status in ('pending', 'running');

create table bulk_items (
  tenant_id uuid not null,
  job_id uuid not null,
  run_id uuid not null,
  status text not null default 'pending',
  -- How often it was taken up; a process that dies leaves it to another.
  attempts integer not null default 0,
  taken_at timestamp with time zone,
  settled_at timestamp with time zone,
  result_run_id uuid,
  error jsonb,
  constraint bulk_items_pkey primary key (job_id, run_id),
  constraint bulk_items_status_check check (status in ('pending', 'done', 'failed'))
);

alter table bulk_jobs enable row level security;
alter table bulk_jobs force row level security;
alter table bulk_items enable row level security;
alter table bulk_items force row level security;
create policy tenant on bulk_jobs to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant());
create policy tenant on bulk_items to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant());
create policy system on bulk_jobs to perdure_system using (true) with check (true);
create policy system on bulk_items to perdure_system using (true) with check (true);
grant select, insert, update on bulk_jobs, bulk_items to perdure_app;
grant select on bulk_jobs, bulk_items to perdure_system;
grant update (status, completed_at, next_at) on bulk_jobs to perdure_system;
grant update (attempts, taken_at) on bulk_items to perdure_system;
