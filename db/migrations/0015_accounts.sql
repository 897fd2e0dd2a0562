-- Sessions, second factors, identities of other providers, single-use tokens of accounts (docs/decisions/018-accounts.md).
-- A user belongs to no tenant, and so does what is theirs: only perdure_system reads it.

-- Whoever signs in with an identity provider alone has no password.
alter table users alter column password_hash drop not null;
alter table users add column email_verified_at timestamp with time zone;
-- Counts up when what proves who they are is changed: a sign-in that began before comes to nothing.
alter table users add column security_epoch integer not null default 0;

-- What grew out of one sign-in. Access tokens name it, and are refused once it has ended.
create table user_sessions (
  id uuid primary key,
  user_id uuid not null references users (id),
  -- How they signed in: password, totp, recovery_code, oidc, invitation, registration.
  method text not null,
  ip text not null,
  user_agent text not null,
  created_at timestamp with time zone not null default now(),
  last_used_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  -- Of the refresh tokens that were made last, and since when they are the last.
  generation integer not null default 0,
  generation_at timestamp with time zone not null default now(),
  ended_at timestamp with time zone,
  -- sign_out, sign_out_everywhere, ended, password, reuse, membership
  end_reason text
);
create index user_sessions_list_idx on user_sessions (user_id, created_at, id);

insert into user_sessions (id, user_id, method, ip, user_agent, created_at, last_used_at, expires_at, generation, generation_at, ended_at, end_reason)
  select family_id, (array_agg(user_id))[1], 'password', '', '', min(created_at), max(created_at), max(expires_at), count(*)::integer - 1, max(created_at),
    max(revoked_at), case when max(revoked_at) is not null then 'sign_out' end
  from refresh_tokens group by family_id;

alter table refresh_tokens add column generation integer not null default 0;
update refresh_tokens t set generation = ranked.generation
  from (select id, row_number() over (partition by family_id order by created_at, id)::integer - 1 as generation from refresh_tokens) ranked
  where ranked.id = t.id;
alter table refresh_tokens rename column family_id to session_id;
alter index refresh_tokens_family_idx rename to refresh_tokens_session_idx;
alter table refresh_tokens add constraint refresh_tokens_session_fkey foreign key (session_id) references user_sessions (id);
alter table refresh_tokens drop column rotated_at;
alter table refresh_tokens drop column revoked_at;

alter table login_activity add column method text not null default 'password';
create index login_activity_user_idx on login_activity (user_id, id);

-- Single-use, only as hashes: they verify an address, set a password, finish a sign-in.
create table account_tokens (
  id uuid primary key,
  purpose text not null,
  -- null: whose it is shows when it is used.
  user_id uuid references users (id),
  token_hash text not null,
  data jsonb not null default '{}',
  attempts integer not null default 0,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  constraint account_tokens_purpose_check check (purpose in ('verify_email', 'reset_password', 'second_factor', 'sign_in'))
);
create unique index account_tokens_hash_key on account_tokens (token_hash);
create index account_tokens_user_idx on account_tokens (user_id, purpose);
create index account_tokens_expires_idx on account_tokens (expires_at);

-- The secret is sealed with a data key of the user.
create table second_factors (
  user_id uuid primary key references users (id),
  key_version integer not null,
  sealed bytea not null,
  created_at timestamp with time zone not null default now(),
  confirmed_at timestamp with time zone,
  -- The time step of the code that was used last: it and those before it are used up.
  last_step bigint not null default 0
);

create table recovery_codes (
  user_id uuid not null references users (id),
  code_hash text not null,
  used_at timestamp with time zone,
  primary key (user_id, code_hash)
);

-- Who somebody is at an identity provider. The issuer names it, not our own id of it, which the operator may give to another one.
create table identities (
  issuer text not null,
  subject text not null,
  user_id uuid not null references users (id),
  email text not null,
  created_at timestamp with time zone not null default now(),
  last_used_at timestamp with time zone not null default now(),
  primary key (issuer, subject)
);
create index identities_user_idx on identities (user_id);

do $$
declare
  name text;
begin
  foreach name in array array['user_sessions', 'account_tokens', 'second_factors', 'recovery_codes', 'identities']
  loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy system on %I to perdure_system using (true) with check (true)', name);
  end loop;
end
$$;

grant update (password_hash, email_verified_at, security_epoch) on users to perdure_system;
grant delete on refresh_tokens to perdure_system;
grant select, insert, update on user_sessions to perdure_system;
grant select, insert, update, delete on account_tokens, second_factors, recovery_codes to perdure_system;
grant select, insert on identities to perdure_system;
grant update (last_used_at, email) on identities to perdure_system;
