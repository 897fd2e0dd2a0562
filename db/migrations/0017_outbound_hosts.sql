-- The hosts that an organization's nodes may reach (F4); null: all that the operator lets them.
alter table organizations add column outbound_hosts text[];
grant update (outbound_hosts) on organizations to perdure_app;
