-- Admission (docs/decisions/010): a run that some limit of concurrency concerns has a slot here, taken (`admitted_at`) or waited for. A run that no
-- limit concerns has no row. Whether a slot is still in use is never written down: the run's own row says whether it has ended, or waits.

alter table organizations add column concurrency_limit integer constraint organizations_concurrency_check check (concurrency_limit > 0);
grant update (concurrency_limit) on organizations to perdure_app;

-- Runs that share a limit: those of a workflow, or those of them with the same key. `turn` remembers who was served last.
create table run_groups (
  tenant_id uuid not null,
  key text not null,
  workflow_id uuid,
  max_runs integer,
  holds_while_waiting boolean default false not null,
  turn bigint default 0 not null,
  primary key (tenant_id, key)
);

-- `request` is what the run is started with, kept as text so that the order of keys stays; null once it has been started.
create table run_slots (
  run_id uuid primary key,
  tenant_id uuid not null,
  group_key text not null,
  priority integer not null,
  place bigint generated always as identity,
  is_paused boolean default false not null,
  request json,
  admitted_at timestamptz
);
create index run_slots_queue_idx on run_slots (tenant_id, group_key, priority, place) where admitted_at is null;
create index run_slots_admitted_idx on run_slots (tenant_id, group_key) where admitted_at is not null;
create index runs_open_workflow_idx on runs (tenant_id, workflow_id) where completed_at is null;
create sequence admission_turns;

do $$
declare
  name text;
begin
  foreach name in array array['run_groups', 'run_slots']
  loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy system on %I to perdure_system using (true) with check (true)', name);
    execute format('create policy tenant on %I to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant())', name);
  end loop;
end
$$;
grant select, insert, update on run_groups to perdure_app;
grant select, insert, update, delete on run_slots to perdure_app;
grant select, update, delete on run_groups to perdure_system;
grant select, insert, update, delete on run_slots to perdure_system;
grant usage on sequence admission_turns to perdure_system;

-- How many slots of each group are in use. A run that has been waiting (or paused) for `waiting_ms` has given its slot up: `taken` leaves it out;
-- `held` counts it too, for workflows that say that they hold theirs.
-- `offset 0`, here and below: the few slots that are taken lead to their runs, whatever is guessed of the many that are queued.
create function slots_in_use(waiting_ms integer) returns table (tenant_id uuid, key text, taken bigint, held bigint) language sql stable set enable_seqscan = off
  as $$
  select s.tenant_id, s.group_key, count(*) filter (where not coalesce(w.gave_up, false)), count(*)
  from run_slots s
  cross join lateral (
    select r.status in ('waiting', 'paused') and r.last_event_at < now() - waiting_ms * interval '1 millisecond' as gave_up
    from runs r where r.id = s.run_id and r.completed_at is null offset 0) w
  where s.admitted_at is not null
  group by s.tenant_id, s.group_key
$$;

-- Gives runs that are open already a slot that is taken, so that a new limit counts them. `tenant`: only its runs; `workflow`: only that workflow's.
create function adopt_runs(tenant uuid, workflow uuid) returns void language plpgsql volatile as $$
begin
  insert into run_slots (run_id, tenant_id, group_key, priority, admitted_at)
    select r.id, r.tenant_id, coalesce(r.workflow_id::text, ''), 3, now() from runs r
    where r.completed_at is null and r.parent_id is null and (tenant is null or r.tenant_id = tenant) and (workflow is null or r.workflow_id = workflow)
      and not exists (select from run_slots s where s.run_id = r.id)
  on conflict (run_id) do nothing;
end
$$;

-- As start_run; where a limit concerns the run, it gets a slot to wait for, under the same lock as all of its organization's.
-- `admission`: {key, workflow_id, max_runs, max_queued, holds_while_waiting, priority, organization_max_queued, is_limited, waiting_ms}; `is_limited`
-- where the operator's settings limit it in any case. `limited`: it is to be started by admit_runs and by nothing else.
-- Raises PD429 where the queue is full; nothing of the run is kept then.
create function queue_run(run jsonb, event_at timestamptz, idempotency_key text, given_hash text, admission jsonb, request json,
  out run_id uuid, out created boolean, out request_hash text, out limited boolean)
language plpgsql volatile as $$
declare
  tenant uuid := (run ->> 'tenant_id')::uuid;
  group_id text := admission ->> 'key';
  workflow uuid := (admission ->> 'workflow_id')::uuid;
  runs_at_once integer := (admission ->> 'max_runs')::integer;
  in_line bigint;
begin
  limited := run ->> 'parent_id' is null and (runs_at_once is not null or (admission ->> 'is_limited')::boolean
    or coalesce((select o.concurrency_limit is not null from organizations o where o.id = tenant), false));
  if limited then
    perform pg_advisory_xact_lock(hashtextextended('perdure queue ' || tenant, 0));
  end if;
  select s.run_id, s.created, s.request_hash into queue_run.run_id, queue_run.created, queue_run.request_hash
    from start_run(run, event_at, idempotency_key, given_hash) s;
  if not created then
    update run_slots s set request = queue_run.request where s.run_id = queue_run.run_id and s.request is null and s.admitted_at is null;
    limited := exists (select from run_slots s where s.run_id = queue_run.run_id and (s.admitted_at is null or s.request is not null));
    return;
  end if;
  if not limited then
    return;
  end if;

  insert into run_groups as g (tenant_id, key, workflow_id, max_runs, holds_while_waiting)
    values (tenant, group_id, workflow, runs_at_once, coalesce((admission ->> 'holds_while_waiting')::boolean, false))
    on conflict (tenant_id, key) do update set max_runs = excluded.max_runs, holds_while_waiting = excluded.holds_while_waiting
    where (g.max_runs, g.holds_while_waiting) is distinct from (excluded.max_runs, excluded.holds_while_waiting);
  if found and group_id = workflow::text then
    insert into run_slots (run_id, tenant_id, group_key, priority, admitted_at)
      select r.id, tenant, group_id, 3, now() from runs r
      where r.tenant_id = tenant and r.workflow_id = workflow and r.completed_at is null and r.parent_id is null and r.id <> queue_run.run_id
        and not exists (select from run_slots s where s.run_id = r.id)
    on conflict on constraint run_slots_pkey do nothing;
  end if;

  select count(*) into in_line from (
    select from run_slots s where s.tenant_id = tenant and s.admitted_at is null limit (admission ->> 'organization_max_queued')::integer) q;
  if in_line >= (admission ->> 'organization_max_queued')::integer then
    raise exception using errcode = 'PD429', message = 'organization';
  end if;
  if admission ->> 'max_queued' is not null then
    select (select count(*) from run_slots s where s.tenant_id = tenant and s.group_key = group_id and s.admitted_at is null)
      + coalesce((select case when g.holds_while_waiting then u.held else u.taken end
          from slots_in_use((admission ->> 'waiting_ms')::integer) u join run_groups g on g.tenant_id = u.tenant_id and g.key = u.key
          where u.tenant_id = tenant and u.key = group_id), 0) into in_line;
    if in_line >= runs_at_once + (admission ->> 'max_queued')::integer then
      raise exception using errcode = 'PD429', message = 'workflow';
    end if;
  end if;
  insert into run_slots (run_id, tenant_id, group_key, priority, request)
    values (queue_run.run_id, tenant, group_id, (admission ->> 'priority')::integer, queue_run.request);
end
$$;

-- Gives free slots away and returns whom to start. One caller at a time. Between organizations, and between an organization's groups, whoever has the
-- fewest slots is next, then whoever was not served for the longest time; priority and age decide within an organization, age within a group.
-- Runs admitted `retry_ms` ago whose start nobody has noted are returned again. `is_thorough` also reads the whole queue for what crashes have left behind.
create function admit_runs(installation_limit integer, organization_limit integer, waiting_ms integer, retry_ms integer, at_most integer, is_thorough boolean)
returns table (run_id uuid, tenant_id uuid, request json) language plpgsql volatile set enable_seqscan = off as $$
declare
  next record;
  given integer := 0;
begin
  if not exists (select from run_slots) then
    return;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('perdure admission', 0));
  -- An admission lost in a crash of the server is made again: the start in Temporal is idempotent.
  perform set_config('synchronous_commit', 'off', true);
  delete from run_slots s where s.admitted_at is not null and exists (select from runs r where r.id = s.run_id and r.completed_at is not null offset 0);

  if is_thorough then
    delete from run_slots s using runs r where r.id = s.run_id and r.completed_at is not null;
    update run_slots s set admitted_at = now(), request = null from runs r
      where s.admitted_at is null and r.id = s.run_id and (r.acknowledged_at is not null or r.status in ('running', 'waiting'));
    delete from run_groups g where not exists (select from run_slots s where s.tenant_id = g.tenant_id and s.group_key = g.key)
      and pg_try_advisory_xact_lock(hashtextextended('perdure queue ' || g.tenant_id, 0));
  end if;

  return query
    update run_slots s set admitted_at = clock_timestamp()
    where s.admitted_at is not null and s.admitted_at < now() - retry_ms * interval '1 millisecond' and s.request is not null
      and exists (select from runs r where r.id = s.run_id and r.acknowledged_at is null and r.status = 'queued' and r.completed_at is null offset 0)
    returning s.run_id, s.tenant_id, s.request;

  while given < at_most loop
    with used as materialized (select * from slots_in_use(waiting_ms)),
    totals as (select u.tenant_id, sum(u.taken) as taken from used u group by u.tenant_id),
    standing as (
      select g.tenant_id, g.key, g.max_runs, g.turn, coalesce(u.taken, 0) as taken, case when g.holds_while_waiting then coalesce(u.held, 0) else coalesce(u.taken, 0) end as held,
        coalesce(t.taken, 0) as tenant_taken, max(g.turn) over (partition by g.tenant_id) as tenant_turn
      from run_groups g left join used u on u.tenant_id = g.tenant_id and u.key = g.key left join totals t on t.tenant_id = g.tenant_id
    )
    select head.run_id, c.tenant_id, c.key into next
    from standing c
    join organizations o on o.id = c.tenant_id
    cross join lateral (
      select q.run_id, q.priority, q.place from run_slots q
      where q.tenant_id = c.tenant_id and q.group_key = c.key and q.admitted_at is null and not q.is_paused and q.request is not null
      order by q.priority, q.place limit 1) head
    where (c.max_runs is null or c.held < c.max_runs)
      and (coalesce(o.concurrency_limit, organization_limit) is null or c.tenant_taken < least(o.concurrency_limit, organization_limit))
      and (installation_limit is null or (select coalesce(sum(t.taken), 0) from totals t) < installation_limit)
    order by c.tenant_taken, c.tenant_turn, c.tenant_id, head.priority, c.taken, c.turn, head.place
    limit 1;
    exit when not found;

    -- A run that is cancelled at this moment has gone once its lock is free; one that has ended without ever starting has no place any more.
    return query update run_slots s set admitted_at = clock_timestamp() from runs r
      where s.run_id = next.run_id and s.admitted_at is null and r.id = s.run_id and r.completed_at is null
      returning s.run_id, s.tenant_id, s.request;
    if found then
      given := given + 1;
      update run_groups g set turn = nextval('admission_turns') where g.tenant_id = next.tenant_id and g.key = next.key;
    else
      delete from run_slots s where s.run_id = next.run_id;
    end if;
  end loop;
end
$$;

-- Ends a run that waits for its slot. False where it does not (any more).
create function withdraw_run(tenant uuid, run uuid, ending jsonb) returns boolean language plpgsql volatile as $$
begin
  delete from run_slots s where s.run_id = run and s.tenant_id = tenant and s.admitted_at is null;
  if not found then
    return false;
  end if;
  perform close_run(tenant, run, ending, null);
  return true;
end
$$;

-- Keeps a run that waits for its slot from getting one, or lets it have one again. False where it does not wait for one.
create function pause_queued_run(tenant uuid, run uuid, pauses boolean) returns boolean language plpgsql volatile as $$
begin
  update run_slots s set is_paused = pauses where s.run_id = run and s.tenant_id = tenant and s.admitted_at is null;
  if not found then
    return false;
  end if;
  update runs r set status = case when pauses then 'paused' else 'queued' end where r.id = run and r.tenant_id = tenant and r.completed_at is null;
  return true;
end
$$;

revoke execute on function slots_in_use(integer), adopt_runs(uuid, uuid), queue_run(jsonb, timestamptz, text, text, jsonb, json),
  admit_runs(integer, integer, integer, integer, integer, boolean), withdraw_run(uuid, uuid, jsonb), pause_queued_run(uuid, uuid, boolean) from public;
grant execute on function slots_in_use(integer), adopt_runs(uuid, uuid) to perdure_app, perdure_system;
grant execute on function admit_runs(integer, integer, integer, integer, integer, boolean) to perdure_system;
grant execute on function queue_run(jsonb, timestamptz, text, text, jsonb, json), withdraw_run(uuid, uuid, jsonb), pause_queued_run(uuid, uuid, boolean) to perdure_app;
