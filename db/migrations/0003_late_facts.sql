-- What late and repeated facts may do to the log and its projections, and what a key of a run stands for that never began.

-- Whether a fact ends its node, whichever attempt told it: an answered call stands (the first receipt wins), and so does an end whose key names no
-- attempt. Any other failure speaks for its own attempt only.
create function ends_node(fact run_events) returns boolean language sql immutable parallel safe
  as $$
  select fact.kind in ('node_end', 'node_error')
    and (right(fact.key, length(fact.kind) + 3) = ':0:' || fact.kind or fact.kind = 'node_end' and coalesce(fact.data ->> 'status', 'completed') = 'completed')
$$;

-- Rows of nodes. Facts of an earlier attempt than the row's do not change where it stands, unless they end the node; nor does anything change a settled
-- row: both only fill in what the row did not know. The start of an attempt is its first fact, even where it is told after another.
create or replace function project_nodes(fresh run_events[]) returns void language sql volatile as $$
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
      when m.stays then n.status
      else 'running'
    end,
    coalesce(greatest(n.attempt, f.attempt), case when (f.ending).data ->> 'status' = 'skipped' then 0 else 1 end),
    case when m.ends then (f.ending).data ->> 'route' else n.route end,
    case when m.moves then coalesce(f.input, n.input) else coalesce(n.input, f.input) end,
    case when m.ends then (f.ending).data -> 'output' else n.output end,
    case when m.ends then (f.ending).data -> 'error' when m.moves then coalesce(f.error, n.error) else n.error end,
    case when not m.moves or m.stays then n.wait
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
      (array_agg(g.fact order by (g.fact).seq) filter (where ends_node(g.fact) or g.current and (g.fact).kind in ('node_end', 'node_error')))[1] as ending,
      (array_agg(g.fact order by (g.fact).kind = 'node_start', (g.fact).seq desc) filter (where g.current and (g.fact).kind not in ('node_end', 'node_error')))[1] as latest
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
  cross join lateral (select n.run_id is null or not (is_settled(n.status) or coalesce(f.attempt < n.attempt, false) and not coalesce(ends_node(f.ending), false)) as moves) as a
  cross join lateral (
    select a.moves, a.moves and f.ending is distinct from null as ends,
      a.moves and f.ending is not distinct from null and (f.latest).kind = 'node_start' and coalesce(f.attempt = n.attempt and n.status in ('waiting', 'retrying'), false) as stays
  ) as m
  on conflict (run_id, node_id, iteration) do update set
    type = excluded.type, name = excluded.name, status = excluded.status, attempt = excluded.attempt, route = excluded.route, input = excluded.input,
    output = excluded.output, error = excluded.error, wait = excluded.wait, started_at = excluded.started_at, completed_at = excluded.completed_at,
    duration_ms = excluded.duration_ms
$$;

-- A wait for a person opens an approval; what ends the wait, or its node, closes it. A wait that comes into the log after its end opens nothing.
create or replace function project_approvals(fresh run_events[]) returns void language sql volatile as $$
  insert into approvals (tenant_id, run_id, node_id, iteration, kind, status, prompt, data, schema, assignees, expires_at, created_at)
    select e.tenant_id, e.run_id, e.node_id, coalesce(e.iteration, ''), e.data ->> 'wait', case when not s.is_over then 'pending' when n.status = 'cancelled' then 'cancelled' else 'expired' end, coalesce(e.data ->> 'prompt', ''), e.data -> 'data', e.data -> 'schema',
      case when jsonb_typeof(e.data -> 'assignees') = 'array' then array(select jsonb_array_elements_text(e.data -> 'assignees')) else '{}' end,
      (e.data ->> 'expires_at')::timestamptz, e.at
    from unnest(fresh) e
    left join node_executions n on n.run_id = e.run_id and n.node_id = e.node_id and n.iteration = coalesce(e.iteration, '')
    cross join lateral (
      select coalesce(is_settled(n.status), false) and not exists (
        select from unnest(fresh) o where o.run_id = e.run_id and o.node_id = e.node_id and o.iteration is not distinct from e.iteration and o.seq > e.seq
          and o.kind in ('resumed', 'node_end', 'node_error')) as is_over) s
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

-- Corrects the rows of an open run from what its workflow says, and tells the log what it had missed: a start before each end, under the keys of
-- the facts themselves, so that those which still come are known. What the snapshot calls unsettled may have moved on since it was taken, so only
-- a row that is missing, or has missed a wait, follows it there.
create or replace function repair_run(tenant uuid, run uuid, nodes jsonb) returns integer language plpgsql volatile as $$
declare
  start integer;
  fresh run_events[];
begin
  select r.last_seq into start from runs r where r.id = run and r.tenant_id = tenant and r.completed_at is null for no key update;
  if not found then
    return 0;
  end if;

  with differing as (
    select s.*, n.attempt, n.run_id is null as is_missing
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
    select d.*, k.kind, k.is_last,
      case when k.kind = 'node_start' and d.is_missing or k.kind = 'node_end' and d.status = 'completed' then format('%s:%s:1:%s', d.node_id, d.iteration, k.kind)
        when k.kind in ('node_end', 'node_error') then format('%s:%s:0:%s', d.node_id, d.iteration, k.kind) end as own_key,
      start + (row_number() over (order by d.place, k.is_last))::integer as seq
    from differing d cross join lateral (
      select 'node_start' as kind, false as is_last where d.is_missing and is_settled(d.status) and d.status <> 'skipped' and d.started_at is not null
      union all
      select case when d.status = 'failed' then 'node_error' when is_settled(d.status) then 'node_end' when d.status = 'waiting' then 'waiting'
        when d.status = 'retrying' then 'node_retry' else 'node_start' end, true) k
  ), written as (
    insert into node_executions as n (tenant_id, run_id, node_id, iteration, type, name, status, attempt, route, output, error, started_at, completed_at, duration_ms, first_seq)
    select tenant, run, t.node_id, t.iteration, t.type, t.name, t.status, case when t.status = 'skipped' then 0 else 1 end, t.route, t.output, t.error, t.started_at, t.completed_at,
      round(extract(epoch from t.completed_at - t.started_at) * 1000)::bigint, t.seq
    from told t where t.is_last
    on conflict (run_id, node_id, iteration) do update set
      type = excluded.type, name = excluded.name, status = excluded.status, route = excluded.route, output = coalesce(excluded.output, n.output), error = excluded.error,
      wait = case when excluded.status = 'waiting' then n.wait end, started_at = coalesce(n.started_at, excluded.started_at), completed_at = excluded.completed_at,
      duration_ms = coalesce(round(extract(epoch from excluded.completed_at - coalesce(n.started_at, excluded.started_at)) * 1000)::bigint, n.duration_ms)
  ), appended as (
    insert into run_events (tenant_id, run_id, seq, key, kind, at, node_id, iteration, attempt, data)
    select tenant, run, t.seq,
      case when t.own_key is null or exists (select from run_events e where e.run_id = run and e.key = t.own_key)
        then format('%s:%s:%s:%s:repair:%s', t.node_id, t.iteration, coalesce(t.attempt, 0), t.kind, t.seq) else t.own_key end,
      t.kind, case when t.is_last then coalesce(t.completed_at, t.started_at, now()) else t.started_at end, t.node_id, t.iteration, t.attempt,
      case when t.kind = 'node_start' then jsonb_build_object('type', t.type, 'name', t.name) else
        jsonb_strip_nulls(jsonb_build_object('type', t.type, 'name', t.name, 'status', t.status, 'route', t.route, 'error', t.error))
          || case when t.output is null then '{}' else jsonb_build_object('output', t.output) end end
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

-- Stores a run with its first event, or finds the one that the idempotency key names. `created` tells which; `request_hash` is that of the key.
create or replace function start_run(run jsonb, event_at timestamptz, idempotency_key text, given_hash text, out run_id uuid, out created boolean, out request_hash text)
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
      -- Temporal never took the run that the key names, so nothing of it has happened: the key goes to the new one.
      perform from idempotency_keys k where k.tenant_id = tenant and k.key = idempotency_key for update;
      update idempotency_keys k set run_id = start_run.run_id
        from runs r
        where k.tenant_id = tenant and k.key = idempotency_key and k.request_hash = given_hash and r.tenant_id = tenant and r.id = k.run_id
          and r.error ->> 'code' = 'run.not_started' and (r.error ->> 'retryable')::boolean;
    end if;
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

revoke execute on function ends_node(run_events) from public;
grant execute on function ends_node(run_events) to perdure_app, perdure_system;
grant update (run_id) on idempotency_keys to perdure_app;
