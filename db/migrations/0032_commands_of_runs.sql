-- What people asked of one run: who goes on from it takes up the variables that were set and the nodes that were skipped.
create index commands_run_idx on commands (run_id);
