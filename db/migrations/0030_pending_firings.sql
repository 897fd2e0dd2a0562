-- A run that was stored and not started yet belongs to a moment that somebody still fires: few at any time, found without reading all that ever fired.
create index schedule_firings_pending_idx on schedule_firings (tenant_id) where outcome = 'pending';
