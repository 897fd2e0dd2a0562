-- As before, and: the start that the log has missed is told also of a node that has a row already, since a worker that died may have told only of an end
-- that its lost workflow task never came to.
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
    select s.node_id, s.iteration, s.type, s.name, s.status, s.route, s.error, s.started_at, s.completed_at, s.place, n.attempt, n.started_at is null as lacks_start,
      coalesce(is_settled(n.status), false) as corrects,
      -- A snapshot may leave an output out; no other end than this one has one.
      case when s.status = 'completed' then coalesce(s.output, n.output) end as output
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
      case when k.kind = 'node_start' and d.lacks_start or k.kind = 'node_end' and d.status = 'completed' then format('%s:%s:1:%s', d.node_id, d.iteration, k.kind)
        when k.kind in ('node_end', 'node_error') then format('%s:%s:0:%s', d.node_id, d.iteration, k.kind) end as own_key,
      start + (row_number() over (order by d.place, k.is_last))::integer as seq
    from differing d cross join lateral (
      select 'node_start' as kind, false as is_last where d.lacks_start and (d.status = 'completed' or d.status in ('failed', 'cancelled') and d.started_at is not null)
      union all
      select case when d.status = 'failed' then 'node_error' when is_settled(d.status) then 'node_end' when d.status = 'waiting' then 'waiting'
        when d.status = 'retrying' then 'node_retry' else 'node_start' end, true) k
  ), written as (
    insert into node_executions as n (tenant_id, run_id, node_id, iteration, type, name, status, attempt, route, output, error, started_at, completed_at, duration_ms, first_seq)
    select tenant, run, t.node_id, t.iteration, t.type, t.name, t.status, case when t.status = 'skipped' then 0 else 1 end, t.route, t.output, t.error, t.started_at, t.completed_at,
      round(extract(epoch from t.completed_at - t.started_at) * 1000)::bigint, t.seq
    from told t where t.is_last
    on conflict (run_id, node_id, iteration) do update set
      type = excluded.type, name = excluded.name, status = excluded.status, route = excluded.route, output = excluded.output, error = excluded.error,
      wait = case when excluded.status = 'waiting' then n.wait end, started_at = coalesce(n.started_at, excluded.started_at), completed_at = excluded.completed_at,
      duration_ms = coalesce(round(extract(epoch from excluded.completed_at - coalesce(n.started_at, excluded.started_at)) * 1000)::bigint, n.duration_ms)
  ), appended as (
    insert into run_events (tenant_id, run_id, seq, key, kind, at, node_id, iteration, attempt, data)
    select tenant, run, t.seq,
      case when t.own_key is null or exists (select from run_events e where e.run_id = run and e.key = t.own_key)
        then format('%s:%s:%s:%s:repair:%s', t.node_id, t.iteration, coalesce(t.attempt, 0), t.kind, t.seq) else t.own_key end,
      t.kind, case when t.is_last then coalesce(t.completed_at, t.started_at, now()) else coalesce(t.started_at, t.completed_at, now()) end, t.node_id, t.iteration, t.attempt,
      case when t.kind = 'node_start' then jsonb_build_object('type', t.type, 'name', t.name) else
        jsonb_strip_nulls(jsonb_build_object('type', t.type, 'name', t.name, 'status', t.status, 'route', t.route, 'error', t.error, 'corrects', nullif(t.corrects, false)))
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
