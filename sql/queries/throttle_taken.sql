-- Objects that have the names of a throttle and are none: a function that others wrote, or that a trigger of another
-- table calls; a trigger.
SELECT functions.oid::regprocedure::text AS name
FROM pg_catalog.pg_proc AS functions
WHERE functions.oid = to_regprocedure(%(function)s) AND (
    strpos(functions.prosrc, 'usagefix.collapsing') = 0
    OR EXISTS (
        SELECT FROM pg_catalog.pg_trigger
        WHERE tgfoid = functions.oid AND tgrelid IS DISTINCT FROM to_regclass(%(table)s)))
UNION ALL
SELECT existing.tgname::text FROM pg_catalog.pg_trigger AS existing
WHERE existing.tgname = %(trigger)s AND existing.tgrelid = to_regclass(%(table)s)
