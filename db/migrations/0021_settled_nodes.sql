-- Whoever writes that a node or run has ended learns that it was the first to: what is counted or traced then is counted once, however often an
-- attempt was made, a fact told or a workflow replayed (docs/decisions/025).

-- W3C trace context of what asked for the run, or of the run itself where nothing did; null where it is not traced.
alter table runs add column traceparent text;

-- What is told of nodes that have just been settled. The trace is left out where the run has none.
create function told_nodes(run_ids uuid[], node_ids text[], iterations text[]) returns jsonb language sql stable
  as $$
  select jsonb_agg(jsonb_build_object('type', n.type, 'status', n.status, 'duration_ms', n.duration_ms)
    || case when r.traceparent is null then '{}' else jsonb_build_object('trace', jsonb_build_object('traceparent', r.traceparent, 'run_id', n.run_id, 'node_id', n.node_id,
      'iteration', n.iteration, 'attempt', n.attempt, 'error', n.error ->> 'code', 'started_at', coalesce(n.started_at, n.completed_at), 'completed_at', n.completed_at)) end)
  from unnest(run_ids, node_ids, iterations) as o(run_id, node_id, iteration)
  join node_executions n on n.run_id = o.run_id and n.node_id = o.node_id and n.iteration = o.iteration and is_settled(n.status)
  join runs r on r.id = n.run_id
$$;

-- As `append_events` of before, and tells which nodes it settled.
create function record_facts(facts jsonb, out appended integer, out settled jsonb) language plpgsql volatile as $$
declare
  fresh run_events[];
  run_ids uuid[];
  node_ids text[];
  iterations text[];
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

  select array_agg(o.run_id), array_agg(o.node_id), array_agg(o.iteration) into run_ids, node_ids, iterations
  from (
    select distinct e.run_id, e.node_id, coalesce(e.iteration, '') as iteration from unnest(fresh) e
    where e.node_id is not null and e.kind in ('node_end', 'node_error')
  ) o
  left join node_executions n on n.run_id = o.run_id and n.node_id = o.node_id and n.iteration = o.iteration
  where n.run_id is null or not is_settled(n.status);

  perform project_run(fresh);
  perform project_nodes(fresh);
  perform project_approvals(fresh);
  perform notify_runs(array(select distinct e.run_id from unnest(fresh) e));
  appended := cardinality(fresh);
  if run_ids is not null then
    settled := told_nodes(run_ids, node_ids, iterations);
  end if;
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
  select told_nodes(array_agg(e.run_id), array_agg(e.node_id), array_agg(coalesce(e.iteration, ''))) into settled
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
    settled := told_nodes(array_fill(run, array[cardinality(node_ids)]), node_ids, iterations);
  end if;
end
$$;

revoke execute on function told_nodes(uuid[], text[], text[]), record_facts(jsonb), end_run(uuid, uuid, jsonb, jsonb), mend_run(uuid, uuid, jsonb) from public;
grant execute on function told_nodes(uuid[], text[], text[]) to perdure_app, perdure_system;
grant execute on function record_facts(jsonb) to perdure_system;
grant execute on function end_run(uuid, uuid, jsonb, jsonb), mend_run(uuid, uuid, jsonb) to perdure_app;
