-- The table locks of this transaction, the strongest of each table. For dry runs.
SELECT DISTINCT namespace.nspname || '.' || tables.relname AS relation, taken.mode AS mode
FROM pg_catalog.pg_locks AS taken
JOIN pg_catalog.pg_class AS tables ON tables.oid = taken.relation
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = tables.relnamespace
WHERE taken.pid = pg_catalog.pg_backend_pid() AND tables.relkind IN ('r', 'p')
    AND taken.mode IN (
        'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    AND namespace.nspname NOT IN ('pg_catalog', 'usagefix', 'pg_toast')
ORDER BY 1, 2
