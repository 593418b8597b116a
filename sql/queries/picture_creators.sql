-- Roles that can create an object where code looks for one: each that may CREATE in a schema, or in the database
-- (schema null), and is neither a superuser nor the owner of the database or of one of the two tables. acts_as: the
-- roles that it can become; owner: it owns the schema.
WITH trusted AS (
    SELECT datdba AS oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
    UNION ALL
    SELECT relowner FROM pg_catalog.pg_class WHERE oid IN (to_regclass(%(parent)s), to_regclass(%(child)s))
), places AS (
    SELECT nspname::text AS schema, nspowner AS owner, COALESCE(nspacl, acldefault('n', nspowner)) AS acl
    FROM pg_catalog.pg_namespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        AND NOT starts_with(nspname::text, 'pg_temp_') AND NOT starts_with(nspname::text, 'pg_toast_temp_')
    UNION ALL
    SELECT NULL, datdba, COALESCE(datacl, acldefault('d', datdba))
    FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
)
SELECT
    places.schema AS schema,
    quote_ident(places.schema) AS quoted,
    COALESCE(quote_ident(roles.rolname), 'PUBLIC') AS role,
    granted.grantee = places.owner AS owner,
    ARRAY(
        SELECT others.rolname::text FROM pg_catalog.pg_roles AS others
        WHERE pg_has_role(roles.oid, others.oid, 'MEMBER') ORDER BY others.rolname
    ) AS acts_as
FROM places
CROSS JOIN LATERAL aclexplode(places.acl) AS granted
LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = granted.grantee
WHERE granted.privilege_type = 'CREATE' AND (granted.grantee = 0 OR roles.oid IS NOT NULL)
    AND (granted.grantee = 0 OR NOT roles.rolsuper AND roles.rolname <> 'pg_database_owner')
    AND NOT EXISTS (
        SELECT FROM trusted WHERE granted.grantee <> 0 AND pg_has_role(granted.grantee, trusted.oid, 'MEMBER'))
GROUP BY places.schema, places.owner, granted.grantee, roles.oid, roles.rolname
ORDER BY schema, role
