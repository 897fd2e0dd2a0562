-- Most facts concern no approval: looking for those of a group took as long as all else in `append_events`. What it does is as before.
create or replace function project_approvals(fresh run_events[]) returns void language plpgsql volatile as $$
begin
  if exists (select from unnest(fresh) e where e.kind = 'waiting') then
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
  end if;

  if exists (select from approvals a where a.status = 'pending' and a.run_id = any (array(select distinct e.run_id from unnest(fresh) e))) then
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
    where a.run_id = e.run_id and a.node_id = e.node_id and a.iteration = e.iteration and a.status = 'pending';
  end if;
end
$$;
