-- The table of notifications: its kind, its columns, and what prevents a throttle. refers: the table to which a foreign
-- key of this column alone refers. leading: the first columns of its indexes. grantees: roles that default privileges
-- let execute new functions of this role. hidden: roles that may insert, but not see or update each row.
SELECT tables.relkind::text AS kind,
    pg_catalog.pg_get_userbyid(tables.relowner)::text AS owner,
    pg_catalog.pg_has_role(tables.relowner, 'MEMBER') AS owned,
    pg_catalog.has_schema_privilege(tables.relnamespace, 'CREATE') AS may_create,
    pg_catalog.pg_has_role(tables.relowner, 'MEMBER')
        AND tables.relowner <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user) AS gives,
    tables.relhassubclass OR tables.relispartition OR EXISTS (
        SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = tables.oid) AS inherits,
    pg_catalog.pg_relation_size(tables.oid) AS size,
    tables.relreplident IN ('n', 'd') AND (tables.relreplident = 'n' OR NOT EXISTS (
        SELECT FROM pg_catalog.pg_index WHERE indrelid = tables.oid AND indisprimary))
        AND EXISTS (
            SELECT FROM pg_catalog.pg_publication AS published
            JOIN pg_catalog.pg_publication_tables AS listed ON listed.pubname = published.pubname
            JOIN pg_catalog.pg_namespace AS schemas ON schemas.nspname = listed.schemaname
            WHERE published.pubupdate AND schemas.oid = tables.relnamespace AND listed.tablename = tables.relname
        ) AS unidentified,
    pg_catalog.row_security_active(tables.oid) AS filtered,
    ARRAY(
        SELECT jsonb_build_object(
            'name', columns.attname, 'type', pg_catalog.format_type(kinds.base, NULL),
            'written', columns.attgenerated = '', 'filled', columns.attnotnull, 'refers', (
                SELECT min(links.confrelid::regclass::text) FROM pg_catalog.pg_constraint AS links
                WHERE links.conrelid = tables.oid AND links.contype = 'f' AND links.conkey = ARRAY[columns.attnum]))
        FROM pg_catalog.pg_attribute AS columns
        JOIN pg_catalog.pg_type AS types ON types.oid = columns.atttypid
        CROSS JOIN LATERAL (SELECT COALESCE(NULLIF(types.typbasetype, 0::oid), types.oid) AS base) AS kinds
        WHERE columns.attrelid = tables.oid AND columns.attnum > 0 AND NOT columns.attisdropped
        ORDER BY columns.attnum
    ) AS columns,
    ARRAY(
        SELECT DISTINCT first.attname::text FROM pg_catalog.pg_index AS indexes
        JOIN pg_catalog.pg_attribute AS first ON first.attrelid = tables.oid AND first.attnum = indexes.indkey[0]
        WHERE indexes.indrelid = tables.oid AND indexes.indisvalid
    ) AS leading,
    ARRAY(
        SELECT DISTINCT COALESCE(quote_ident(roles.rolname), 'PUBLIC')
        FROM pg_catalog.pg_default_acl AS defaults
        CROSS JOIN LATERAL aclexplode(defaults.defaclacl) AS granted
        LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = granted.grantee
        WHERE defaults.defaclobjtype = 'f' AND granted.grantee NOT IN (0::oid, defaults.defaclrole)
            AND defaults.defaclrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
            AND defaults.defaclnamespace IN (0::oid, tables.relnamespace)
    ) AS grantees,
    ARRAY(
        SELECT DISTINCT roles.rolname::text FROM aclexplode(tables.relacl) AS granted
        JOIN pg_catalog.pg_roles AS roles ON roles.oid = granted.grantee
        WHERE granted.privilege_type = 'INSERT' AND roles.oid <> tables.relowner AND NOT roles.rolsuper
            AND (tables.relrowsecurity AND NOT roles.rolbypassrls
                OR NOT pg_catalog.has_table_privilege(roles.oid, tables.oid, 'SELECT')
                OR NOT pg_catalog.has_table_privilege(roles.oid, tables.oid, 'UPDATE'))
        ORDER BY 1
    ) || CASE WHEN tables.relforcerowsecurity THEN ARRAY[tables.relowner::regrole::text] ELSE '{}' END AS hidden
FROM pg_catalog.pg_class AS tables
JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = tables.relnamespace
WHERE schemas.nspname = %(schema)s AND tables.relname = %(table)s AND tables.relkind <> 'i'
