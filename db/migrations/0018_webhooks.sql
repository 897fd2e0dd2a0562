-- Webhooks (C1, C2; docs/decisions/022). A webhook belongs to one trigger node of one workflow. Its token and signing secret are in `sealed`; of the
-- token a hash stands beside it, so that a call is let in or refused without opening anything.
create table webhooks (
  id text primary key,
  tenant_id uuid not null,
  workflow_id uuid not null references workflows (id),
  node_id text not null,
  is_active boolean not null default true,
  -- What holds, and what the node said when the graph was last saved: only what has changed there since is taken over.
  config jsonb not null,
  node_config jsonb not null,
  token_hash text not null,
  previous_token_hash text,
  previous_until timestamptz,
  key_version integer not null,
  sealed bytea not null,
  trigger_count bigint not null default 0,
  error_count bigint not null default 0,
  total_duration_ms bigint not null default 0,
  last_triggered_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- Its node is neither in the newest nor in the published version; it comes back with the node.
  removed_at timestamptz,
  -- Somebody deleted it; saving the graph does not bring it back.
  deleted_at timestamptz
);
create unique index webhooks_node_key on webhooks (tenant_id, workflow_id, node_id) where deleted_at is null;
create index webhooks_list_idx on webhooks (tenant_id, created_at, id) where deleted_at is null;

-- What came, as people may see it; and sealed as it came, so that it can be delivered again.
create table webhook_deliveries (
  id uuid primary key,
  tenant_id uuid not null,
  webhook_id text not null,
  kind text not null default 'call',
  run_id uuid,
  is_repeat boolean not null default false,
  redelivery_of uuid,
  -- Names a call that was handed to a run which waited for it; of one that started a run the key is that run's.
  delivery_key text,
  event_type text not null,
  method text not null,
  path text not null,
  query jsonb not null,
  headers jsonb not null,
  body jsonb,
  body_bytes integer not null,
  source_ip text not null,
  user_agent text not null,
  correlation_id text not null,
  key_version integer,
  sealed bytea,
  response_status integer,
  response_body jsonb,
  error_code text,
  error_message text,
  duration_ms integer,
  created_at timestamptz not null default now(),
  constraint webhook_deliveries_kind_check check (kind in ('call', 'test', 'redelivery'))
);
create index webhook_deliveries_list_idx on webhook_deliveries (tenant_id, webhook_id, created_at, id);
create index webhook_deliveries_key_idx on webhook_deliveries (tenant_id, webhook_id, delivery_key) where delivery_key is not null;

-- Signatures that were taken, until their time window has passed.
create table webhook_replays (
  webhook_id text not null,
  tenant_id uuid not null,
  signature_hash text not null,
  expires_at timestamptz not null,
  primary key (webhook_id, signature_hash)
);
create index webhook_replays_expiry_idx on webhook_replays (tenant_id, webhook_id, expires_at);

do $$
declare
  name text;
begin
  foreach name in array array['webhooks', 'webhook_deliveries', 'webhook_replays']
  loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy system on %I to perdure_system using (true) with check (true)', name);
    execute format('create policy tenant on %I to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant())', name);
  end loop;
end
$$;
grant select, insert, update on webhooks, webhook_deliveries to perdure_app;
grant select, insert, delete on webhook_replays to perdure_app;
-- A call has no tenant but the one of the webhook it names.
grant select (id, tenant_id, workflow_id, node_id, is_active, config, token_hash, previous_token_hash, previous_until, key_version, sealed, removed_at, deleted_at)
  on webhooks to perdure_system;

-- Stores a delivery together with the run that it starts, or finds the run that its key named before. The run is sure to start, whatever becomes of
-- who called this: a run that no limit concerns has its slot already, and is started again by admit_runs until Temporal has acknowledged it.
-- Raises PD409 for a signature that was taken before (nothing is kept then), PD429 as queue_run does.
create function receive_webhook(delivery jsonb, given_sealed bytea, run jsonb, event_at timestamptz, idempotency_key text, given_hash text, admission jsonb, request json,
  out run_id uuid, out created boolean, out request_hash text, out limited boolean)
language plpgsql volatile as $$
declare
  tenant uuid := (run ->> 'tenant_id')::uuid;
  hook text := delivery ->> 'webhook_id';
begin
  if delivery ->> 'signature_hash' is not null then
    delete from webhook_replays r where r.tenant_id = tenant and r.webhook_id = hook and r.expires_at < now();
    insert into webhook_replays (webhook_id, tenant_id, signature_hash, expires_at)
      values (hook, tenant, delivery ->> 'signature_hash', (delivery ->> 'signature_until')::timestamptz) on conflict do nothing;
    if not found then
      raise exception using errcode = 'PD409', message = 'replay';
    end if;
  end if;
  select q.run_id, q.created, q.request_hash, q.limited into receive_webhook.run_id, receive_webhook.created, receive_webhook.request_hash, receive_webhook.limited
    from queue_run(run, event_at, idempotency_key, given_hash, admission, request) q;
  if created and not limited then
    insert into run_slots (run_id, tenant_id, group_key, priority, request, admitted_at)
      values (receive_webhook.run_id, tenant, admission ->> 'key', (admission ->> 'priority')::integer, receive_webhook.request, clock_timestamp());
  end if;
  insert into webhook_deliveries (id, tenant_id, webhook_id, kind, run_id, is_repeat, redelivery_of, event_type, method, path, query, headers, body, body_bytes,
      source_ip, user_agent, correlation_id, key_version, sealed)
    select d.id, tenant, hook, d.kind, receive_webhook.run_id, not created, d.redelivery_of, d.event_type, d.method, d.path, d.query, d.headers, d.body, d.body_bytes,
      d.source_ip, d.user_agent, d.correlation_id, d.key_version, given_sealed
    from jsonb_to_record(delivery) as d(id uuid, kind text, redelivery_of uuid, event_type text, method text, path text, query jsonb, headers jsonb, body jsonb,
      body_bytes integer, source_ip text, user_agent text, correlation_id text, key_version integer);
  perform pg_notify('perdure_runs', hook);
end
$$;

-- What a call was answered. A count that a crash of the server loses is not worth waiting for the disk.
create function finish_webhook_delivery(tenant uuid, delivery uuid, status integer, answer jsonb, code text, message text, took_ms integer) returns void
language plpgsql volatile as $$
declare
  hook text;
begin
  perform set_config('synchronous_commit', 'off', true);
  update webhook_deliveries d set response_status = status, response_body = answer, error_code = code, error_message = message, duration_ms = took_ms
    where d.tenant_id = tenant and d.id = delivery and d.response_status is null returning d.webhook_id into hook;
  if hook is null then
    return;
  end if;
  update webhooks w set trigger_count = w.trigger_count + 1, error_count = w.error_count + (status >= 400)::integer,
      total_duration_ms = w.total_duration_ms + took_ms, last_triggered_at = now()
    where w.tenant_id = tenant and w.id = hook;
  perform pg_notify('perdure_runs', hook);
end
$$;

revoke execute on function receive_webhook(jsonb, bytea, jsonb, timestamptz, text, text, jsonb, json),
  finish_webhook_delivery(uuid, uuid, integer, jsonb, text, text, integer) from public;
grant execute on function receive_webhook(jsonb, bytea, jsonb, timestamptz, text, text, jsonb, json),
  finish_webhook_delivery(uuid, uuid, integer, jsonb, text, text, integer) to perdure_app;
