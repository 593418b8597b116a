-- Roles that can log in and read every table of the schema, but not the whole ledger: pg_dump fails for them.
SELECT quote_ident(roles.rolname) AS role
FROM pg_catalog.pg_roles AS roles
JOIN pg_catalog.pg_namespace AS ledger ON ledger.nspname = 'usagefix'
WHERE roles.rolcanlogin AND NOT roles.rolsuper AND NOT pg_has_role(roles.oid, ledger.nspowner, 'MEMBER')
    AND has_schema_privilege(roles.oid, to_regnamespace(%(schema_sql)s)::oid, 'USAGE')
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_class AS tables
        WHERE tables.relnamespace = to_regnamespace(%(schema_sql)s) AND tables.relkind IN ('r', 'p')
            AND NOT has_table_privilege(roles.oid, tables.oid, 'SELECT'))
    AND (NOT has_schema_privilege(roles.oid, ledger.oid, 'USAGE') OR EXISTS (
        SELECT FROM pg_catalog.pg_class AS parts
        WHERE parts.relnamespace = ledger.oid AND CASE
            WHEN parts.relkind IN ('r', 'p') THEN NOT has_table_privilege(roles.oid, parts.oid, 'SELECT')
            WHEN parts.relkind = 'S' THEN NOT has_sequence_privilege(roles.oid, parts.oid, 'SELECT')
            ELSE false END))
ORDER BY roles.rolname
