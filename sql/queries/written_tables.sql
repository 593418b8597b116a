-- The tables that some functions may write, and which functions these are: by the words of their text, and by that of
-- the functions that they name, in turn. Without the two tables and the ledger. Parameter: functions (oids).
WITH RECURSIVE code AS MATERIALIZED (
    SELECT proc.oid, proc.proname, COALESCE(pg_catalog.pg_get_function_sqlbody(proc.oid), proc.prosrc) AS body
    FROM pg_catalog.pg_proc AS proc
    JOIN pg_catalog.pg_language AS languages ON languages.oid = proc.prolang AND languages.lanname IN ('sql', 'plpgsql')
    JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = proc.pronamespace
    WHERE schemas.nspname NOT IN ('pg_catalog', 'information_schema')
), reached AS (
    SELECT code.oid FROM code WHERE code.oid::bigint = ANY (%(functions)s::bigint[])
    UNION
    SELECT called.oid
    FROM reached
    JOIN code AS caller ON caller.oid = reached.oid
    JOIN code AS called ON pg_catalog.strpos(lower(caller.body), concat(lower(called.proname), '(')) > 0
)
SELECT code.oid::regprocedure::text AS function, code.body AS body, schemas.nspname::text AS schema,
    tables.relname::text AS name
FROM reached
JOIN code ON code.oid = reached.oid
JOIN pg_catalog.pg_class AS tables ON tables.relkind IN ('r', 'p') AND NOT tables.relispartition
    AND pg_catalog.strpos(lower(code.body), lower(tables.relname)) > 0
    AND tables.oid NOT IN (COALESCE(to_regclass(%(parent)s), 0::oid), COALESCE(to_regclass(%(child)s), 0::oid))
JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = tables.relnamespace
WHERE schemas.nspname NOT IN ('pg_catalog', 'information_schema', 'usagefix')
ORDER BY schemas.nspname, tables.relname, function
