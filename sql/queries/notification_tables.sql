-- The table that is meant, if it is there, and tables whose name says notifications. Parameters: schema, table.
SELECT schemas.nspname::text AS schema, tables.relname::text AS name,
    schemas.nspname = %(schema)s AND tables.relname = %(table)s AS meant
FROM pg_catalog.pg_class AS tables
JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = tables.relnamespace
WHERE tables.relkind IN ('r', 'p', 'v', 'm', 'f') AND schemas.nspname = %(schema)s AND tables.relname = %(table)s
    OR tables.relkind = 'r' AND tables.relname ~* 'notif' AND schemas.nspname <> 'information_schema'
        AND NOT starts_with(schemas.nspname::text, 'pg_')
ORDER BY meant DESC, schemas.nspname = %(schema)s DESC, schema, name
LIMIT 6
