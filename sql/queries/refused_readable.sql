-- Whether the ledger holds what the guard refused, and whether this role may read it.
SELECT count(*) = 3 AS readable
FROM pg_catalog.pg_class AS parts
JOIN pg_catalog.pg_namespace AS ledger ON ledger.oid = parts.relnamespace
WHERE ledger.nspname = 'usagefix' AND has_schema_privilege(ledger.oid, 'USAGE')
    AND parts.relname IN (
        'refused_writes', %(rejected)s, %(unnoted)s)
    AND CASE parts.relkind
        WHEN 'r' THEN has_table_privilege(parts.oid, 'SELECT')
        WHEN 'S' THEN has_sequence_privilege(parts.oid, 'SELECT')
    END
