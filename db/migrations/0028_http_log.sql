-- The log of HTTP requests (D6) lists what nodes of that type did, the newest first. Its columns do not change once a node has begun.
create index node_executions_http_idx on node_executions (tenant_id, started_at, run_id, node_id, iteration) where type = 'HttpRequest' and started_at is not null;
