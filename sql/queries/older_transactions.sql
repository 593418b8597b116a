-- Open transactions of other clients in this database, as virtual transaction ids.
SELECT locks.virtualtransaction AS id
FROM pg_catalog.pg_locks AS locks
JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = locks.pid
WHERE locks.locktype = 'virtualxid' AND locks.granted AND locks.pid <> pg_catalog.pg_backend_pid()
    AND activity.datname = pg_catalog.current_database()
    AND COALESCE(activity.backend_type, 'client backend') = 'client backend'
