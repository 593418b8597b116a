-- The triggers that usagefix notifications created, or that have such a name, with their functions.
SELECT schemas.nspname::text AS schema, tables.relname::text AS table, existing.tgname::text AS trigger,
    functions.proname::text AS function, called.nspname::text AS function_schema,
    CASE languages.lanname WHEN 'plpgsql' THEN functions.prosrc ELSE '' END AS body,
    existing.tgenabled IN ('O', 'A') AS enabled,
    existing.tgtype = 7 AND existing.tgqual IS NULL AS as_made,
    pg_catalog.array_to_string(functions.proconfig, '; ') AS settings,
    functions.proowner = tables.relowner AND NOT functions.prosecdef AS owned,
    ARRAY(
        SELECT convert_from(decode(part, 'escape'), getdatabaseencoding())
        FROM string_to_table(encode(existing.tgargs, 'escape'), '\000') WITH ORDINALITY AS args (part, n)
        WHERE n <= existing.tgnargs ORDER BY n
    ) AS arguments,
    has_table_privilege(tables.oid, 'SELECT') AND NOT row_security_active(tables.oid) AS readable,
    ARRAY(
        SELECT columns.attname::text FROM pg_catalog.pg_attribute AS columns
        WHERE columns.attrelid = tables.oid AND columns.attnum > 0 AND NOT columns.attisdropped) AS columns,
    ARRAY(
        SELECT columns.attname::text FROM pg_catalog.pg_attribute AS columns
        JOIN pg_catalog.pg_type AS types ON types.oid = columns.atttypid
        WHERE columns.attrelid = tables.oid AND types.typnamespace = 'pg_catalog'::regnamespace) AS plain
FROM pg_catalog.pg_trigger AS existing
JOIN pg_catalog.pg_class AS tables ON tables.oid = existing.tgrelid
JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = tables.relnamespace
JOIN pg_catalog.pg_proc AS functions ON functions.oid = existing.tgfoid
JOIN pg_catalog.pg_namespace AS called ON called.oid = functions.pronamespace
JOIN pg_catalog.pg_language AS languages ON languages.oid = functions.prolang
WHERE NOT existing.tgisinternal AND existing.tgname LIKE 'zz\_collapse\_%'
ORDER BY 1, 2
