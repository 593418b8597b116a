-- What the server would run at the commit with the rights of this session, a superuser's, although a role with fewer
-- rights wrote it: cursors that outlive the transaction, and, before PostgreSQL 18, triggers that may be deferred and
-- exclusion constraints, on tables that this transaction wrote. None of these can be dropped while an event waits for
-- it. Parameter: role, who acted in the transaction.
WITH RECURSIVE written AS (
    SELECT relation AS oid
    FROM pg_catalog.pg_locks
    WHERE pid = pg_backend_pid() AND locktype = 'relation' AND mode IN (
        'RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    UNION
    SELECT inhrelid FROM pg_catalog.pg_inherits JOIN written ON inhparent = written.oid
)
SELECT format('the trigger %%I of %%s may be deferred', waiting.tgname, tables.oid::regclass) AS what,
    pg_catalog.pg_get_userbyid(tables.relowner)::text AS owner
FROM written
JOIN pg_catalog.pg_class AS tables ON tables.oid = written.oid
JOIN pg_catalog.pg_trigger AS waiting ON waiting.tgrelid = tables.oid
JOIN pg_catalog.pg_proc AS functions ON functions.oid = waiting.tgfoid
LEFT JOIN pg_catalog.pg_constraint AS constraints ON constraints.oid = waiting.tgconstraint
WHERE current_setting('server_version_num')::integer < 180000
    AND waiting.tgdeferrable AND (NOT waiting.tgisinternal OR constraints.contype = 'x')
    AND CASE current_setting('session_replication_role')
        WHEN 'replica' THEN waiting.tgenabled IN ('A', 'R') ELSE waiting.tgenabled IN ('A', 'O')
    END
    AND EXISTS (
        SELECT FROM pg_catalog.pg_roles AS roles
        WHERE roles.oid IN (functions.proowner, tables.relowner) AND NOT roles.rolsuper)
UNION ALL
SELECT format('the cursor %%I would be kept', name), %(role)s FROM pg_catalog.pg_cursors WHERE is_holdable
ORDER BY 1
