-- Its plans are made when a session is new, perhaps with empty tables, and are kept until those are analyzed. What reads whole tables then, or the index of all
-- open runs for each fact, takes ten to a hundred times as long once there are some thousands of rows: runs and nodes are always found by their keys.
create or replace function record_facts(facts jsonb, out appended integer, out settled jsonb) language plpgsql volatile
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  fresh run_events[];
  ids uuid[] := array(select distinct (f ->> 'run_id')::uuid from jsonb_array_elements(facts) as f);
begin
  appended := 0;
  perform from runs r where r.id = any(ids) order by r.id for no key update;

  with named as materialized (
    select r.id, r.tenant_id, r.last_seq, r.completed_at from runs r where r.id = any(ids)
  ), given as (
    select distinct on (f.run_id, f.key) f.*
    from rows from (jsonb_to_recordset(facts) as (
      tenant_id uuid, run_id uuid, key text, kind text, at timestamptz, node_id text, iteration text, attempt integer, data jsonb, receipt_key text)) with ordinality
      as f(tenant_id, run_id, key, kind, at, node_id, iteration, attempt, data, receipt_key, place)
    order by f.run_id, f.key, f.place
  ), kept as (
    insert into receipts as k (tenant_id, key, run_id, result)
    select g.tenant_id, g.receipt_key, g.run_id,
      jsonb_build_object('value', g.data -> 'output', 'attempt', g.attempt, 'duration_ms', g.data -> 'duration_ms')
        || case when g.data ? 'route' then jsonb_build_object('route', g.data -> 'route') else '{}' end
    from given g join named r on r.id = g.run_id and r.tenant_id = g.tenant_id
    where g.receipt_key is not null
    on conflict (tenant_id, key) do update set result = coalesce(k.result, excluded.result)
  ), inserted as (
    insert into run_events (tenant_id, run_id, seq, key, kind, at, node_id, iteration, attempt, data)
    select g.tenant_id, g.run_id, r.last_seq + row_number() over (partition by g.run_id order by g.place), g.key, g.kind, g.at, g.node_id, g.iteration, g.attempt, g.data
    from given g join named r on r.id = g.run_id and r.tenant_id = g.tenant_id
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
