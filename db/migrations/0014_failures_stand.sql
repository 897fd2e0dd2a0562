-- What a call came to in the end where that was a failure: a local activity whose workflow task is done again finds it, and does not call again.
alter table receipts add column failure jsonb;
