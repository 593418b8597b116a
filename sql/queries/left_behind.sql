-- What apply left where one of the two tables has no longer its name: the tables whose triggers call the function that
-- counts, and the guard (of: child, parent), and all functions of ours. Parameter: functions (their names).
SELECT
    ARRAY(
        SELECT jsonb_build_object('of', ours.of, 'schema', schemas.nspname, 'name', tables.relname)
        FROM (VALUES ('parent', %(guard)s::text), ('child', %(auto_increment)s)) AS ours (of, function)
        JOIN pg_catalog.pg_trigger AS made ON made.tgfoid = to_regprocedure(ours.function) AND made.tgparentid = 0
        JOIN pg_catalog.pg_class AS tables ON tables.oid = made.tgrelid AND NOT tables.relispartition
        JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = tables.relnamespace
        ORDER BY made.tgname, made.oid
    ) AS tables,
    ARRAY(
        SELECT proc.oid::regprocedure::text FROM pg_catalog.pg_proc AS proc
        WHERE proc.pronamespace = to_regnamespace(%(schema_sql)s) AND proc.proname = ANY (%(functions)s::name[])
            AND proc.pronargs = 0
        ORDER BY proc.proname
    ) AS functions
