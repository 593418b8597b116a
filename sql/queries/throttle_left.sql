-- A function of a throttle that no trigger calls any more.
SELECT functions.oid::regprocedure::text AS name
FROM pg_catalog.pg_proc AS functions
WHERE functions.oid = to_regprocedure(%(function)s) AND strpos(functions.prosrc, 'usagefix.collapsing') > 0
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgfoid = functions.oid)
