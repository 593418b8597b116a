-- Whether the ledger has, or had, baselines, and whether this role may read them. No row if it has no such table.
SELECT pg_relation_size(tables.oid) > 0 AS there,
    has_schema_privilege(tables.relnamespace, 'USAGE') AND has_table_privilege(tables.oid, 'SELECT') AS readable
FROM pg_catalog.pg_class AS tables
JOIN pg_catalog.pg_namespace AS ledger ON ledger.oid = tables.relnamespace
WHERE ledger.nspname = 'usagefix' AND tables.relname = 'baselines' AND tables.relkind = 'r'
