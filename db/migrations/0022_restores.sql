-- Restores from backups (docs/decisions/028). A run that began before the newest one may have made calls of which Temporal, restored to an earlier
-- moment, knows nothing: such runs look for receipts also at first attempts. Of the installation, not of an organization.
create table restores (
  at timestamptz primary key default clock_timestamp(),
  -- When the backup was begun.
  taken_at timestamptz not null
);

alter table restores enable row level security;
alter table restores force row level security;
create policy system on restores to perdure_system using (true) with check (true);
grant select, insert on restores to perdure_system;
