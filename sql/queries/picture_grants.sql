-- Roles that may update the counter, or execute one of these functions, besides superusers and the owner of the table:
-- by a privilege on the table, on its column, on a function, or as a member of the owner. members: roles that have it
-- through this role. Parameter: functions (oids).
WITH counters AS (
    SELECT tables.oid, tables.relowner, COALESCE(tables.relacl, acldefault('r', tables.relowner)) AS acl,
        columns.attacl
    FROM pg_catalog.pg_class AS tables
    JOIN pg_catalog.pg_attribute AS columns ON columns.attrelid = tables.oid AND columns.attname = %(column)s
    WHERE tables.oid = to_regclass(%(parent)s)
), rights AS (
    SELECT granted.grantee, 'table' AS through, NULL::bigint AS function
    FROM counters CROSS JOIN LATERAL aclexplode(counters.acl) AS granted
    WHERE granted.privilege_type = 'UPDATE'
    UNION
    SELECT granted.grantee, 'column', NULL
    FROM counters CROSS JOIN LATERAL aclexplode(counters.attacl) AS granted
    WHERE granted.privilege_type = 'UPDATE'
    UNION
    SELECT roles.oid, 'owner', NULL
    FROM counters JOIN pg_catalog.pg_roles AS roles ON pg_has_role(roles.oid, counters.relowner, 'MEMBER')
    UNION
    SELECT roles.oid, 'every table', NULL
    FROM pg_catalog.pg_auth_members AS memberships
    JOIN pg_catalog.pg_roles AS roles ON roles.oid = memberships.roleid
    WHERE roles.rolname = 'pg_write_all_data'
    UNION
    SELECT granted.grantee, 'function', functions.oid::bigint
    FROM pg_catalog.pg_proc AS functions
    CROSS JOIN LATERAL aclexplode(COALESCE(functions.proacl, acldefault('f', functions.proowner))) AS granted
    WHERE functions.oid::bigint = ANY (%(functions)s::bigint[])
)
SELECT
    COALESCE(quote_ident(roles.rolname), 'PUBLIC') AS role,
    rights.through AS through,
    rights.function AS function,
    ARRAY(
        SELECT quote_ident(members.rolname)
        FROM pg_catalog.pg_auth_members AS memberships
        JOIN pg_catalog.pg_roles AS members ON members.oid = memberships.member
        WHERE memberships.roleid = rights.grantee AND NOT members.rolsuper ORDER BY members.rolname
    ) AS members
FROM rights
CROSS JOIN counters
LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = rights.grantee
WHERE rights.grantee = 0 OR NOT roles.rolsuper AND roles.oid <> counters.relowner
ORDER BY rights.grantee <> 0, role, function NULLS FIRST, through DESC
