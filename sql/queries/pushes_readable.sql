-- Whether `supabase db push` keeps its list here as we know it, and this role may read all of it.
SELECT count(*) = 3 AS readable
FROM pg_catalog.pg_namespace AS namespace
JOIN pg_catalog.pg_class AS list
    ON list.relnamespace = namespace.oid AND list.relname = 'schema_migrations' AND list.relkind = 'r'
JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = list.oid AND NOT attribute.attisdropped
JOIN (VALUES ('version', 'text'), ('statements', 'text[]'), ('name', 'text')) AS expected (name, type)
    ON attribute.attname = expected.name AND attribute.atttypid = expected.type::regtype
WHERE namespace.nspname = 'supabase_migrations'
    AND has_schema_privilege(namespace.oid, 'USAGE') AND has_column_privilege(list.oid, attribute.attnum, 'SELECT')
    AND has_table_privilege('usagefix.history', 'SELECT')
    AND NOT row_security_active(list.oid)
