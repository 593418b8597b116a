-- Roles other than its owner that may change what rollback runs, or an owner that is not to be trusted with it.
SELECT COALESCE(roles.rolname, 'PUBLIC')::text AS role
FROM (
    SELECT relowner AS owner, COALESCE(relacl, acldefault('r', relowner)) AS acl
    FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace('usagefix') AND relname = 'saved_objects'
    UNION ALL
    SELECT proowner, COALESCE(proacl, acldefault('f', proowner))
    FROM pg_catalog.pg_proc WHERE pronamespace = to_regnamespace('usagefix')
) AS parts
JOIN pg_catalog.pg_roles AS owners ON owners.oid = parts.owner
CROSS JOIN LATERAL aclexplode(parts.acl) AS granted
LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = granted.grantee
WHERE granted.grantee <> parts.owner
    OR NOT (owners.rolsuper OR owners.rolname = current_user OR owners.oid = (
        SELECT tables.relowner FROM pg_catalog.pg_class AS tables WHERE tables.oid = to_regclass(%(parent)s)))
