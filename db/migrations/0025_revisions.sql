-- Against lost updates: a number that every change of a row raises, told as its ETag.
alter table organizations add column revision integer not null default 1;
alter table memberships add column revision integer not null default 1;
alter table api_keys add column revision integer not null default 1;
alter table invitations add column revision integer not null default 1;

grant update (revision) on organizations, memberships to perdure_app;
grant select (revision), update (revision) on api_keys to perdure_app;
-- An invitation that is sent again has another token; it is written and not read.
grant select (revision), update (revision, token_hash, expires_at) on invitations to perdure_app;
grant update (revision) on invitations to perdure_system;

-- Identities are listed and unlinked by their users, who name them by an id.
alter table identities add column id uuid not null default gen_random_uuid();
create unique index identities_id_key on identities (id);
create index identities_list_idx on identities (user_id, created_at, id);
drop index identities_user_idx;
-- Who links another provider is signed in already: what address it has of them does not matter, if it has any.
alter table identities alter column email drop not null;
-- One that was unlinked stays known, so that a sign-in by the same address does not link it again unasked.
alter table identities add column unlinked_at timestamp with time zone;
grant update (id, user_id, created_at, unlinked_at) on identities to perdure_system;
