-- The log of a run and its projections (architecture.md 2.3). Whoever changes any of them holds the lock of the run's row, so that numbers
-- have no gaps and a node's row has one writer at a time. All of these run as the caller, under the caller's policies.

create function is_settled(status text) returns boolean language sql immutable parallel safe
  as $$ select status in ('completed', 'failed', 'skipped', 'cancelled') $$;

-- Tells listeners of the given runs, many to a message (a message may have 8,000 bytes).
create function notify_runs(ids uuid[]) returns void language sql volatile
  as $$
  select pg_notify('perdure_runs', string_agg(id::text, ','))
  from (select id, (row_number() over () - 1) / 200 as message from (select distinct unnest(ids) as id) as distinct_ids) as numbered
  group by message
$$;

-- Stores a run with its first event, or finds the one that the idempotency key names. `created` tells which; `request_hash` is that of the key.
create function start_run(run jsonb, event_at timestamptz, idempotency_key text, given_hash text, out run_id uuid, out created boolean, out request_hash text)
language plpgsql volatile as $$
declare
  tenant uuid := (run ->> 'tenant_id')::uuid;
begin
  run_id := (run ->> 'id')::uuid;
  created := true;
  request_hash := given_hash;
  if idempotency_key is not null then
    insert into idempotency_keys (tenant_id, key, request_hash, run_id)
      values (tenant, idempotency_key, given_hash, start_run.run_id) on conflict (tenant_id, key) do nothing;
    if not found then
      created := false;
      select k.run_id, k.request_hash into start_run.run_id, start_run.request_hash
        from idempotency_keys k where k.tenant_id = tenant and k.key = idempotency_key;
      return;
    end if;
  end if;
  insert into runs (id, tenant_id, workflow_id, workflow_name, version, status, trigger, inputs, variables, entries, graph, parent_id, forked_from, created_by, last_seq)
    select r.id, r.tenant_id, r.workflow_id, r.workflow_name, r.version, 'queued', r.trigger, r.inputs, r.variables, r.entries, r.graph, r.parent_id, r.forked_from, r.created_by, 1
    from jsonb_to_record(run) as r(
      id uuid, tenant_id uuid, workflow_id uuid, workflow_name text, version integer, trigger text, inputs jsonb, variables jsonb, entries text[], graph jsonb,
      parent_id uuid, forked_from uuid, created_by uuid);
  insert into run_events (tenant_id, run_id, seq, key, kind, at)
    values (tenant, start_run.run_id, 1, '::0:run_queued', 'run_queued', event_at);
end
$$;

-- Appends facts of any number of runs and brings the projections up to date. Known keys, closed runs, closing kinds and runs of another tenant
-- are passed over. Returns how many facts were new.
create function append_events(facts jsonb) returns integer language plpgsql volatile as $$
declare
  fresh run_events[];
begin
  perform from runs r
    where r.id in (select distinct (f ->> 'run_id')::uuid from jsonb_array_elements(facts) as f)
    order by r.id for no key update;

  with given as (
    select distinct on (f.run_id, f.key) f.*
    from rows from (jsonb_to_recordset(facts) as (
      tenant_id uuid, run_id uuid, key text, kind text, at timestamptz, node_id text, iteration text, attempt integer, data jsonb)) with ordinality
      as f(tenant_id, run_id, key, kind, at, node_id, iteration, attempt, data, place)
    order by f.run_id, f.key, f.place
  ), inserted as (
    insert into run_events (tenant_id, run_id, seq, key, kind, at, node_id, iteration, attempt, data)
    select g.tenant_id, g.run_id, r.last_seq + row_number() over (partition by g.run_id order by g.place), g.key, g.kind, g.at, g.node_id, g.iteration, g.attempt, g.data
    from given g join runs r on r.id = g.run_id and r.tenant_id = g.tenant_id
    where r.completed_at is null and g.kind not in ('workflow_complete', 'error')
      and (select e.seq from run_events e where e.run_id = g.run_id and e.key = g.key) is null
    returning *
  )
  select array_agg(row(i.*)::run_events order by i.run_id, i.seq) into fresh from inserted i;
  if fresh is null then
    return 0;
  end if;

  perform project_run(fresh);
  perform project_nodes(fresh);
  perform project_approvals(fresh);
  perform notify_runs(array(select distinct e.run_id from unnest(fresh) e));
  return cardinality(fresh);
end
$$;

-- The run's own row. A run that has told anything of its work is no longer queued; a late `run_start` changes nothing else.
create function project_run(fresh run_events[]) returns void language sql volatile as $$
  update runs r set
    last_seq = s.last_seq,
    last_event_at = now(),
    status = case s.turn when 'paused' then 'paused' when 'waiting' then 'waiting' when 'resumed' then 'running'
      else case when r.status = 'queued' and s.begun_at is not null then 'running' else r.status end end,
    started_at = coalesce(r.started_at, s.started_at, s.begun_at)
  from (
    select e.run_id, max(e.seq) as last_seq,
      (array_agg(e.kind order by e.seq desc) filter (where e.node_id is null and e.kind in ('paused', 'waiting', 'resumed')))[1] as turn,
      min(e.at) filter (where e.kind = 'run_start') as started_at,
      min(e.at) filter (where e.kind not in ('run_queued', 'command')) as begun_at
    from unnest(fresh) e group by e.run_id
  ) s
  where r.id = s.run_id
$$;

-- Rows of nodes. Facts of an earlier attempt than the row's do not change where it stands, nor does anything change a settled row: both only
-- fill in what the row did not know.
create function project_nodes(fresh run_events[]) returns void language sql volatile as $$
  insert into node_executions (tenant_id, run_id, node_id, iteration, type, name, status, attempt, route, input, output, error, wait, started_at, completed_at, duration_ms, first_seq)
  select
    f.tenant_id, f.run_id, f.node_id, f.iteration,
    coalesce(nullif(n.type, ''), f.type, ''),
    coalesce(nullif(n.name, n.node_id), f.name, f.node_id),
    case
      when not m.moves then n.status
      when (f.ending).kind = 'node_error' then 'failed'
      when (f.ending).kind = 'node_end' then case when is_settled((f.ending).data ->> 'status') then (f.ending).data ->> 'status' else 'completed' end
      when (f.latest).kind = 'node_retry' then 'retrying'
      when (f.latest).kind = 'waiting' then 'waiting'
      else 'running'
    end,
    coalesce(greatest(n.attempt, f.attempt), case when (f.ending).data ->> 'status' = 'skipped' then 0 else 1 end),
    case when m.ends then (f.ending).data ->> 'route' else n.route end,
    case when m.moves then coalesce(f.input, n.input) else coalesce(n.input, f.input) end,
    case when m.ends then (f.ending).data -> 'output' else n.output end,
    case when m.ends then (f.ending).data -> 'error' when m.moves then coalesce(f.error, n.error) else n.error end,
    case when not m.moves then n.wait
      when not m.ends and (f.latest).kind = 'waiting'
        then jsonb_strip_nulls(jsonb_build_object('kind', coalesce((f.latest).data ->> 'wait', 'event'), 'expires_at', (f.latest).data ->> 'expires_at'))
    end,
    least(n.started_at, f.started_at),
    case when m.ends then (f.ending).at else n.completed_at end,
    case when m.ends then coalesce(round(((f.ending).data ->> 'duration_ms')::numeric)::bigint,
      round(extract(epoch from (f.ending).at - least(n.started_at, f.started_at)) * 1000)::bigint) else n.duration_ms end,
    coalesce(n.first_seq, f.first_seq)
  from (
    select
      g.tenant_id, g.run_id, g.node_id, g.iteration, g.attempt,
      min((g.fact).seq) as first_seq,
      (array_agg((g.fact).data ->> 'type' order by (g.fact).seq) filter (where (g.fact).data ? 'type'))[1] as type,
      (array_agg((g.fact).data ->> 'name' order by (g.fact).seq) filter (where (g.fact).data ? 'name'))[1] as name,
      (array_agg((g.fact).data -> 'input' order by (g.fact).seq desc) filter (where (g.fact).kind = 'node_start' and (g.fact).data ? 'input'))[1] as input,
      (array_agg((g.fact).data -> 'error' order by (g.fact).seq desc) filter (where (g.fact).kind = 'node_retry'))[1] as error,
      min((g.fact).at) filter (where (g.fact).kind = 'node_start') as started_at,
      (array_agg(g.fact order by (g.fact).seq) filter (where g.current and (g.fact).kind in ('node_end', 'node_error')))[1] as ending,
      (array_agg(g.fact order by (g.fact).seq desc) filter (where g.current and (g.fact).kind not in ('node_end', 'node_error')))[1] as latest
    from (
      select e as fact, e.tenant_id, e.run_id, e.node_id, coalesce(e.iteration, '') as iteration, max(e.attempt) over same_node as attempt,
        coalesce(e.attempt = max(e.attempt) over same_node, true) as current
      from unnest(fresh) e
      where e.node_id is not null and e.kind in ('node_start', 'node_retry', 'node_end', 'node_error', 'waiting', 'resumed')
      window same_node as (partition by e.run_id, e.node_id, coalesce(e.iteration, ''))
    ) g
    group by g.tenant_id, g.run_id, g.node_id, g.iteration, g.attempt
  ) f
  left join node_executions n on n.run_id = f.run_id and n.node_id = f.node_id and n.iteration = f.iteration
  cross join lateral (select n.run_id is null or not (is_settled(n.status) or coalesce(f.attempt < n.attempt, false)) as moves) as a
  cross join lateral (select a.moves, a.moves and f.ending is distinct from null as ends) as m
  on conflict (run_id, node_id, iteration) do update set
    type = excluded.type, name = excluded.name, status = excluded.status, attempt = excluded.attempt, route = excluded.route, input = excluded.input,
    output = excluded.output, error = excluded.error, wait = excluded.wait, started_at = excluded.started_at, completed_at = excluded.completed_at,
    duration_ms = excluded.duration_ms
$$;

-- A wait for a person opens an approval; what ends the wait, or its node, closes it.
create function project_approvals(fresh run_events[]) returns void language sql volatile as $$
  insert into approvals (tenant_id, run_id, node_id, iteration, kind, status, prompt, data, schema, assignees, expires_at, created_at)
    select e.tenant_id, e.run_id, e.node_id, coalesce(e.iteration, ''), e.data ->> 'wait', 'pending', coalesce(e.data ->> 'prompt', ''), e.data -> 'data', e.data -> 'schema',
      case when jsonb_typeof(e.data -> 'assignees') = 'array' then array(select jsonb_array_elements_text(e.data -> 'assignees')) else '{}' end,
      (e.data ->> 'expires_at')::timestamptz, e.at
    from unnest(fresh) e
    where e.kind = 'waiting' and e.node_id is not null and e.data ->> 'wait' in ('approval', 'input')
  on conflict (run_id, node_id, iteration) do nothing;

  update approvals a set
    status = case when e.kind <> 'resumed' then 'cancelled' when jsonb_typeof(e.data -> 'answer') = 'object' then 'answered' else 'expired' end,
    decision = e.data -> 'answer' ->> 'decision',
    answer = e.data -> 'answer' -> 'data',
    comment = e.data -> 'answer' ->> 'comment',
    answered_by = e.data -> 'answer' ->> 'by',
    answered_at = (e.data -> 'answer' ->> 'at')::timestamptz
  from (
    select distinct on (o.run_id, o.node_id, o.iteration) o.run_id, o.node_id, coalesce(o.iteration, '') as iteration, o.kind, o.data
    from unnest(fresh) o where o.node_id is not null and o.kind in ('resumed', 'node_end', 'node_error')
    order by o.run_id, o.node_id, o.iteration, o.seq
  ) e
  where a.run_id = e.run_id and a.node_id = e.node_id and a.iteration = e.iteration and a.status = 'pending'
$$;

-- How many node rows of each status a run has, and how many it should have, in a form in which they can be compared.
create function count_nodes(run uuid) returns jsonb language sql stable
  as $$
  select coalesce(jsonb_object_agg(c.status, c.number), '{}')
  from (select n.status, count(*) as number from node_executions n where n.run_id = run group by n.status) c
$$;

create function expected_counts(expected jsonb) returns jsonb language sql immutable parallel safe
  as $$ select coalesce(jsonb_object_agg(e.key, e.value), '{}') from jsonb_each(expected) e where e.value <> '0' $$;

-- Writes the end of a run, once: what is still open is closed with it, and the closing event is the last. With `expected` (how many rows of each
-- status there must be) it closes only where the rows agree. `outcome`: closed, already, differs, missing.
create function close_run(tenant uuid, run uuid, ending jsonb, expected jsonb, out outcome text, out counts jsonb)
language plpgsql volatile as $$
declare
  seq integer;
  ended_at timestamptz := (ending ->> 'at')::timestamptz;
  new_status text := ending ->> 'status';
  closed_at timestamptz;
begin
  -- A look without a lock first: where facts are still on their way it leaves nothing to be written to disk.
  if expected is not null and exists (select from runs r where r.id = run and r.tenant_id = tenant and r.completed_at is null) then
    counts := count_nodes(run);
    if counts <> expected_counts(expected) then
      outcome := 'differs';
      return;
    end if;
  end if;

  select r.last_seq, r.completed_at into seq, closed_at from runs r where r.id = run and r.tenant_id = tenant for no key update;
  if not found then
    outcome := 'missing';
    return;
  end if;
  if closed_at is not null then
    outcome := 'already';
    return;
  end if;
  -- A crash of the server that loses this commit loses nothing: Temporal still knows the end, and it is written again as the same last event.
  perform set_config('synchronous_commit', 'off', true);
  if expected is not null then
    counts := count_nodes(run);
    if counts <> expected_counts(expected) then
      outcome := 'differs';
      return;
    end if;
  end if;

  with opened as (
    update node_executions n set status = 'cancelled', wait = null, completed_at = ended_at,
      duration_ms = round(extract(epoch from ended_at - n.started_at) * 1000)::bigint
    where n.run_id = run and not is_settled(n.status)
    returning n.node_id, n.iteration, n.attempt, n.type, n.name, n.first_seq
  ), told as (
    insert into run_events (tenant_id, run_id, seq, key, kind, at, node_id, iteration, attempt, data)
    select tenant, run, seq + row_number() over (order by o.first_seq), format('%s:%s:%s:node_end:closed', o.node_id, o.iteration, o.attempt), 'node_end', ended_at,
      o.node_id, o.iteration, o.attempt, jsonb_build_object('status', 'cancelled', 'type', o.type, 'name', o.name)
    from opened o
    returning 1
  )
  select seq + count(*) + 1 into seq from told;

  update approvals a set status = case when new_status = 'timed_out' or a.expires_at <= ended_at then 'expired' else 'cancelled' end
    where a.run_id = run and a.status = 'pending';
  insert into run_events (tenant_id, run_id, seq, key, kind, at, data)
    select tenant, run, seq, '::0:' || k.kind, k.kind, ended_at,
      jsonb_strip_nulls(jsonb_build_object('status', new_status, 'error', ending -> 'error'))
        || case when new_status = 'completed' then jsonb_build_object('result', ending -> 'outputs') else '{}' end
    from (select case when new_status = 'completed' then 'workflow_complete' else 'error' end as kind) k;
  update runs r set status = new_status, outputs = nullif(ending -> 'outputs', 'null'), error = nullif(ending -> 'error', 'null'), completed_at = ended_at, started_at = coalesce(r.started_at, case when new_status = 'completed' then r.created_at end),
      last_seq = seq, last_event_at = now()
    where r.id = run;
  perform notify_runs(array[run]);
  outcome := 'closed';
end
$$;

-- Corrects the rows of an open run from what its workflow says, and tells the log what it had missed. What the snapshot calls unsettled may have
-- moved on since it was taken, so only a row that is missing, or has missed a wait, follows it there.
create function repair_run(tenant uuid, run uuid, nodes jsonb) returns integer language plpgsql volatile as $$
declare
  start integer;
  fresh run_events[];
begin
  select r.last_seq into start from runs r where r.id = run and r.tenant_id = tenant and r.completed_at is null for no key update;
  if not found then
    return 0;
  end if;

  with differing as (
    select s.*, n.attempt
    from rows from (jsonb_to_recordset(nodes) as (
      node_id text, iteration text, type text, name text, status text, route text, output jsonb, error jsonb, started_at timestamptz, completed_at timestamptz)) with ordinality
      as s(node_id, iteration, type, name, status, route, output, error, started_at, completed_at, place)
    left join node_executions n on n.run_id = run and n.node_id = s.node_id and n.iteration = s.iteration
    where s.status <> 'pending' and case
      when n.run_id is null then true
      when not is_settled(s.status) then s.status = 'waiting' and n.status <> 'waiting' and not is_settled(n.status)
      else n.status <> s.status or (s.route is not null and n.route is distinct from s.route) or (s.output is not null and n.output is distinct from s.output)
        or (s.error is not null and n.error is distinct from s.error)
    end
  ), told as (
    select d.*, k.kind, start + (row_number() over (order by d.place))::integer as seq
    from differing d cross join lateral (
      select case when d.status = 'failed' then 'node_error' when is_settled(d.status) then 'node_end' when d.status = 'waiting' then 'waiting'
        when d.status = 'retrying' then 'node_retry' else 'node_start' end as kind) k
  ), written as (
    insert into node_executions as n (tenant_id, run_id, node_id, iteration, type, name, status, attempt, route, output, error, started_at, completed_at, duration_ms, first_seq)
    select tenant, run, t.node_id, t.iteration, t.type, t.name, t.status, case when t.status = 'skipped' then 0 else 1 end, t.route, t.output, t.error, t.started_at, t.completed_at,
      round(extract(epoch from t.completed_at - t.started_at) * 1000)::bigint, t.seq
    from told t
    on conflict (run_id, node_id, iteration) do update set
      type = excluded.type, name = excluded.name, status = excluded.status, route = excluded.route, output = coalesce(excluded.output, n.output), error = excluded.error,
      wait = case when excluded.status = 'waiting' then n.wait end, started_at = coalesce(n.started_at, excluded.started_at), completed_at = excluded.completed_at,
      duration_ms = coalesce(round(extract(epoch from excluded.completed_at - coalesce(n.started_at, excluded.started_at)) * 1000)::bigint, n.duration_ms)
  ), appended as (
    insert into run_events (tenant_id, run_id, seq, key, kind, at, node_id, iteration, attempt, data)
    select tenant, run, t.seq, format('%s:%s:%s:%s:repair:%s', t.node_id, t.iteration, coalesce(t.attempt, 0), t.kind, t.seq), t.kind, coalesce(t.completed_at, t.started_at, now()),
      t.node_id, t.iteration, t.attempt,
      jsonb_strip_nulls(jsonb_build_object('type', t.type, 'name', t.name, 'status', t.status, 'route', t.route, 'error', t.error))
        || case when t.output is null then '{}' else jsonb_build_object('output', t.output) end
    from told t
    returning *
  )
  select array_agg(row(a.*)::run_events order by a.seq) into fresh from appended a;
  if fresh is null then
    return 0;
  end if;
  perform project_run(fresh);
  perform project_approvals(fresh);
  perform notify_runs(array[run]);
  return cardinality(fresh);
end
$$;

revoke execute on function is_settled(text), notify_runs(uuid[]), start_run(jsonb, timestamptz, text, text), append_events(jsonb), project_run(run_events[]), project_nodes(run_events[]),
  project_approvals(run_events[]), close_run(uuid, uuid, jsonb, jsonb), count_nodes(uuid), expected_counts(jsonb), repair_run(uuid, uuid, jsonb) from public;
grant execute on function is_settled(text), notify_runs(uuid[]), project_run(run_events[]), project_approvals(run_events[]) to perdure_app, perdure_system;
grant execute on function append_events(jsonb), project_nodes(run_events[]) to perdure_system;
grant execute on function start_run(jsonb, timestamptz, text, text), close_run(uuid, uuid, jsonb, jsonb), count_nodes(uuid), expected_counts(jsonb), repair_run(uuid, uuid, jsonb) to perdure_app;

-- Rows of runs and nodes change a few times each: room on the page keeps those changes out of the indexes.
alter table runs set (fillfactor = 70);
alter table node_executions set (fillfactor = 70);
