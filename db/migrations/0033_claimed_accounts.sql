-- Who shows that an address is theirs, of an account that somebody else made with it, ends the keys that were made meanwhile.
grant update (revoked_at, revision) on api_keys to perdure_system;
