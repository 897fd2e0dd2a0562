-- Live connections (G2, G3): tickets that open one, and who watches what.

-- A ticket opens one connection, once, for whoever asked for it. Only its hash is stored.
create table stream_tickets (
  ticket_hash text primary key,
  tenant_id uuid not null references organizations (id) on delete cascade,
  user_id uuid not null references users (id) on delete cascade,
  api_key_id uuid,
  -- Of a member who signed in: the connection ends with it.
  session_id uuid,
  scopes text[],
  -- When the access token ends that the ticket was asked for with; so does the connection.
  session_ends_at timestamp with time zone,
  expires_at timestamp with time zone not null
);
create index stream_tickets_expires_idx on stream_tickets (expires_at);
create index stream_tickets_user_idx on stream_tickets (tenant_id, user_id);

-- One row for each user that watches a topic in a process, as long as the process says so. Lost with a crash of the server: processes tell it again.
create unlogged table live_presence (
  tenant_id uuid not null,
  topic text not null,
  user_id uuid not null,
  process uuid not null,
  name text not null,
  since timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  primary key (tenant_id, topic, user_id, process)
);
create index live_presence_process_idx on live_presence (process);
create index live_presence_expires_idx on live_presence (expires_at);

do $$
declare
  name text;
begin
  foreach name in array array['stream_tickets', 'live_presence'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy system on %I to perdure_system using (true) with check (true)', name);
    execute format('create policy tenant on %I to perdure_app using (tenant_id = perdure_tenant()) with check (tenant_id = perdure_tenant())', name);
  end loop;
end
$$;
-- A ticket is made inside a tenant and shown by somebody of whom nothing is known yet.
grant insert on stream_tickets to perdure_app;
grant select, delete on stream_tickets to perdure_system;
grant select on live_presence to perdure_app;
grant select, insert, update, delete on live_presence to perdure_system;
