-- Functions whose text names a table.
SELECT functions.oid::regprocedure::text AS signature,
    COALESCE(pg_catalog.pg_get_function_sqlbody(functions.oid), functions.prosrc) AS body
FROM pg_catalog.pg_proc AS functions
JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = functions.pronamespace
WHERE schemas.nspname NOT IN ('pg_catalog', 'information_schema')
    AND pg_catalog.strpos(
        lower(COALESCE(pg_catalog.pg_get_function_sqlbody(functions.oid), functions.prosrc)), lower(%(table)s)) > 0
ORDER BY 1
