-- Whether this role may read the counters in this ledger. No row if the ledger has no such table.
SELECT has_schema_privilege(tables.relnamespace, 'USAGE') AND has_table_privilege(tables.oid, 'SELECT') AS readable
FROM pg_catalog.pg_class AS tables
JOIN pg_catalog.pg_namespace AS ledger ON ledger.oid = tables.relnamespace
WHERE ledger.nspname = 'usagefix' AND tables.relname = 'counters' AND tables.relkind = 'r'
