-- Roles that may execute one of these functions, or create in a schema, only because PUBLIC may, and seem to need it:
-- those that log in, or were granted something on one of the two tables; of a schema, the owners of what is in it.
-- Parameter: functions (oids).
WITH places AS (
    SELECT functions.oid::bigint AS function, functions.pronamespace AS namespace, 'EXECUTE' AS privilege,
        COALESCE(functions.proacl, acldefault('f', functions.proowner)) AS acl
    FROM pg_catalog.pg_proc AS functions
    WHERE functions.oid::bigint = ANY (%(functions)s::bigint[])
    UNION ALL
    SELECT NULL, namespaces.oid, 'CREATE', namespaces.nspacl
    FROM pg_catalog.pg_namespace AS namespaces
    WHERE namespaces.nspacl IS NOT NULL AND namespaces.nspname <> 'pg_catalog'
), known AS (
    SELECT granted.grantee
    FROM pg_catalog.pg_class AS tables CROSS JOIN LATERAL aclexplode(tables.relacl) AS granted
    WHERE tables.oid IN (to_regclass(%(parent)s), to_regclass(%(child)s))
    UNION
    SELECT granted.grantee
    FROM pg_catalog.pg_attribute AS columns CROSS JOIN LATERAL aclexplode(columns.attacl) AS granted
    WHERE columns.attrelid IN (to_regclass(%(parent)s), to_regclass(%(child)s))
), owners AS (
    SELECT relnamespace AS namespace, relowner AS owner FROM pg_catalog.pg_class
    UNION
    SELECT pronamespace, proowner FROM pg_catalog.pg_proc
    UNION
    SELECT typnamespace, typowner FROM pg_catalog.pg_type
)
SELECT places.function, namespaces.nspname::text AS schema, quote_ident(roles.rolname) AS role
FROM places
JOIN pg_catalog.pg_namespace AS namespaces ON namespaces.oid = places.namespace
CROSS JOIN pg_catalog.pg_roles AS roles
WHERE NOT roles.rolsuper AND roles.rolname <> 'anon' AND NOT starts_with(roles.rolname::text, 'pg_')
    AND EXISTS (
        SELECT FROM aclexplode(places.acl) AS granted
        WHERE granted.grantee = 0 AND granted.privilege_type = places.privilege)
    AND NOT EXISTS (
        SELECT FROM aclexplode(places.acl) AS granted
        WHERE granted.grantee <> 0 AND granted.privilege_type = places.privilege
            AND pg_has_role(roles.oid, granted.grantee, 'USAGE'))
    AND CASE
        WHEN places.function IS NULL THEN
            EXISTS (SELECT FROM owners WHERE owners.namespace = places.namespace AND owners.owner = roles.oid)
        WHEN roles.oid IN (SELECT grantee FROM known) THEN true
        -- Not those that only become other roles, or look after the server.
        ELSE roles.rolcanlogin AND roles.rolinherit AND NOT roles.rolcreaterole AND NOT roles.rolreplication
            AND has_database_privilege(roles.oid, current_database(), 'CONNECT')
            AND has_schema_privilege(roles.oid, places.namespace, 'USAGE')
    END
ORDER BY function, schema, role
