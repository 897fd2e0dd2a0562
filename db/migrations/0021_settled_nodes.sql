-- Whoever writes that a node or run has ended learns that it was the first to: what is counted or traced then is counted once, however often an
-- attempt was made, a fact told or a workflow replayed (docs/decisions/025).

-- W3C trace context of what asked for the run, or of the run itself where nothing did; null where it is not traced.
alter table runs add column traceparent text;

-- What is told of a node that has just been settled. The trace is left out where the run has none.
create function told_node(traceparent text, run uuid, node text, iteration text, type text, status text, attempt integer, error jsonb, started_at timestamptz, completed_at timestamptz, duration_ms bigint)
returns jsonb language sql immutable parallel safe
  as $$
  select case when traceparent is null then jsonb_build_object('type', type, 'status', status, 'duration_ms', duration_ms)
    else jsonb_build_object('type', type, 'status', status, 'duration_ms', duration_ms, 'trace', jsonb_build_object('traceparent', traceparent, 'run_id', run, 'node_id', node,
      'iteration', iteration, 'attempt', attempt, 'error', error ->> 'code', 'started_at', coalesce(started_at, completed_at), 'completed_at', completed_at)) end
$$;

-- The same of rows that are written.
create function told_nodes(run uuid, node_ids text[], iterations text[]) returns jsonb language sql stable
  as $$
  select jsonb_agg(told_node(r.traceparent, n.run_id, n.node_id, n.iteration, n.type, n.status, n.attempt, n.error, n.started_at, n.completed_at, n.duration_ms))
  from unnest(node_ids, iterations) as o(node_id, iteration)
  join node_executions n on n.run_id = run and n.node_id = o.node_id and n.iteration = o.iteration and is_settled(n.status)
  join runs r on r.id = n.run_id
$$;

-- `project_nodes` of before, and tells which nodes it settled: a settled row does not move, so what ends here was not settled before.
create function settle_nodes(fresh run_events[]) returns jsonb language sql volatile as $$
  with moved as materialized (
    select
      f.tenant_id, f.run_id, f.node_id, f.iteration,
      coalesce(nullif(n.type, ''), f.type, '') as type,
      coalesce(nullif(n.name, n.node_id), f.name, f.node_id) as name,
      case
        when not m.moves then n.status
        when (f.ending).kind = 'node_error' then 'failed'
        when (f.ending).kind = 'node_end' then case when is_settled((f.ending).data ->> 'status') then (f.ending).data ->> 'status' else 'completed' end
        when (f.latest).kind = 'node_retry' then 'retrying'
        when (f.latest).kind = 'waiting' then 'waiting'
        when m.stays then n.status
        else 'running'
      end as status,
      coalesce(greatest(n.attempt, f.attempt), case when (f.ending).data ->> 'status' = 'skipped' then 0 else 1 end) as attempt,
      case when m.ends then (f.ending).data ->> 'route' else n.route end as route,
      case when m.moves then coalesce(f.input, n.input) else coalesce(n.input, f.input) end as input,
      case when m.ends then (f.ending).data -> 'output' else n.output end as output,
      case when m.ends then (f.ending).data -> 'error' when m.moves then coalesce(f.error, n.error) else n.error end as error,
      case when not m.moves or m.stays then n.wait
        when not m.ends and (f.latest).kind = 'waiting'
          then jsonb_strip_nulls(jsonb_build_object('kind', coalesce((f.latest).data ->> 'wait', 'event'), 'expires_at', (f.latest).data ->> 'expires_at'))
      end as wait,
      least(n.started_at, f.started_at) as started_at,
      case when m.ends then (f.ending).at else n.completed_at end as completed_at,
      case when m.ends then coalesce(round(((f.ending).data ->> 'duration_ms')::numeric)::bigint,
        round(extract(epoch from (f.ending).at - least(n.started_at, f.started_at)) * 1000)::bigint) else n.duration_ms end as duration_ms,
      coalesce(n.first_seq, f.first_seq) as first_seq,
      m.ends
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
  ), written as (
    insert into node_executions (tenant_id, run_id, node_id, iteration, type, name, status, attempt, route, input, output, error, wait, started_at, completed_at, duration_ms, first_seq)
    select tenant_id, run_id, node_id, iteration, type, name, status, attempt, route, input, output, error, wait, started_at, completed_at, duration_ms, first_seq from moved
    on conflict (run_id, node_id, iteration) do update set
      type = excluded.type, name = excluded.name, status = excluded.status, attempt = excluded.attempt, route = excluded.route, input = excluded.input,
      output = excluded.output, error = excluded.error, wait = excluded.wait, started_at = excluded.started_at, completed_at = excluded.completed_at,
      duration_ms = excluded.duration_ms
  )
  select jsonb_agg(told_node(t.traceparent, w.run_id, w.node_id, w.iteration, w.type, w.status, w.attempt, w.error, w.started_at, w.completed_at, w.duration_ms))
  from moved w
  left join (
    select r.id, r.traceparent from runs r where r.traceparent is not null and r.id in (select distinct e.run_id from unnest(fresh) e)
  ) t on t.id = w.run_id
  where w.ends
$$;
create or replace function project_nodes(fresh run_events[]) returns void language plpgsql volatile as $$ begin perform settle_nodes(fresh); end $$;

-- As `append_events` of before, and tells which nodes it settled.
create function record_facts(facts jsonb, out appended integer, out settled jsonb) language plpgsql volatile as $$
declare
  fresh run_events[];
begin
  appended := 0;
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
    return;
  end if;

  perform project_run(fresh);
  settled := settle_nodes(fresh);
  perform project_approvals(fresh);
  perform notify_runs(array(select distinct e.run_id from unnest(fresh) e));
  appended := cardinality(fresh);
end
$$;

create or replace function append_events(facts jsonb) returns integer language sql volatile as $$ select appended from record_facts(facts) $$;

-- `close_run`, and the nodes it closed with the run.
create function end_run(tenant uuid, run uuid, ending jsonb, expected jsonb, out outcome text, out counts jsonb, out settled jsonb)
language plpgsql volatile as $$
declare
  known_seq integer;
begin
  select r.last_seq into known_seq from runs r where r.id = run and r.tenant_id = tenant;
  select c.outcome, c.counts into end_run.outcome, end_run.counts from close_run(tenant, run, ending, expected) c;
  if outcome <> 'closed' then
    return;
  end if;
  select told_nodes(run, array_agg(e.node_id), array_agg(coalesce(e.iteration, ''))) into settled
    from run_events e where e.run_id = run and e.seq > known_seq and e.kind = 'node_end' and e.key like '%:node\_end:closed';
end
$$;

-- `repair_run`, and the nodes that were not settled before it.
create function mend_run(tenant uuid, run uuid, nodes jsonb, out repaired integer, out settled jsonb) language plpgsql volatile as $$
declare
  node_ids text[];
  iterations text[];
begin
  perform from runs r where r.id = run and r.tenant_id = tenant and r.completed_at is null for no key update;
  select array_agg(s.node_id), array_agg(s.iteration) into node_ids, iterations
    from jsonb_to_recordset(nodes) as s(node_id text, iteration text, status text)
    left join node_executions n on n.run_id = run and n.node_id = s.node_id and n.iteration = s.iteration
    where is_settled(s.status) and (n.run_id is null or not is_settled(n.status));
  repaired := repair_run(tenant, run, nodes);
  if repaired > 0 and node_ids is not null then
    settled := told_nodes(run, node_ids, iterations);
  end if;
end
$$;

revoke execute on function told_node(text, uuid, text, text, text, text, integer, jsonb, timestamptz, timestamptz, bigint), told_nodes(uuid, text[], text[]), settle_nodes(run_events[]), record_facts(jsonb),
  end_run(uuid, uuid, jsonb, jsonb), mend_run(uuid, uuid, jsonb) from public;
grant execute on function told_node(text, uuid, text, text, text, text, integer, jsonb, timestamptz, timestamptz, bigint), told_nodes(uuid, text[], text[]) to perdure_app, perdure_system;
grant execute on function settle_nodes(run_events[]), record_facts(jsonb) to perdure_system;
grant execute on function end_run(uuid, uuid, jsonb, jsonb), mend_run(uuid, uuid, jsonb) to perdure_app;
