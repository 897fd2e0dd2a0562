-- What older data keys sealed is found key by key when a rotation seals it anew (db/sealed.ts). An organization's credentials are few.
create index webhooks_sealed_idx on webhooks (tenant_id, key_version, id);
create index webhook_deliveries_sealed_idx on webhook_deliveries (tenant_id, key_version, id) where sealed is not null;
