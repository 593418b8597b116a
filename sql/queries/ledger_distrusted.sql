-- Why the ledger cannot be trusted: roles besides its owner that may write to it, an untrusted owner, and what acts on
-- writes. No row if it can be trusted, or does not exist.
WITH parts AS (
    SELECT tables.oid, tables.relowner AS owner, tables.relacl AS acl, tables.relkind AS kind
    FROM pg_catalog.pg_class AS tables
    WHERE tables.relnamespace = to_regnamespace('usagefix') AND tables.relkind IN ('r', 'p', 'S')
), trusted AS (
    SELECT roles.oid FROM pg_catalog.pg_roles AS roles
    WHERE roles.rolsuper OR roles.rolname = current_user
        OR roles.oid = (SELECT relowner FROM pg_catalog.pg_class WHERE oid = to_regclass(%(parent)s))
)
SELECT format('schema usagefix belongs to role %%I', pg_catalog.pg_get_userbyid(nspowner)) AS why
FROM pg_catalog.pg_namespace WHERE nspname = 'usagefix' AND nspowner NOT IN (SELECT oid FROM trusted)
UNION
SELECT format('%%s belongs to role %%I', parts.oid::regclass, pg_catalog.pg_get_userbyid(parts.owner))
FROM parts WHERE parts.owner NOT IN (SELECT oid FROM trusted)
    AND parts.owner <> (SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = 'usagefix')
UNION
SELECT format('%%s may change %%s', COALESCE(quote_ident(roles.rolname), 'PUBLIC'), parts.oid::regclass)
FROM parts
CROSS JOIN LATERAL aclexplode(parts.acl) AS granted
LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = granted.grantee
JOIN pg_catalog.pg_class AS tables ON tables.oid = parts.oid
WHERE granted.grantee <> parts.owner AND granted.privilege_type <> 'SELECT' AND parts.kind <> 'S'
    -- usagefix does not trust these two. A former owner of presets may write there until apply revokes it.
    AND NOT (tables.relname IN ('held_at_zero', 'refused_writes') AND granted.privilege_type IN ('INSERT', 'UPDATE'))
    AND NOT (tables.relname = 'baselines' AND granted.privilege_type IN ('UPDATE', 'DELETE'))
UNION
SELECT format('%%s may create in schema usagefix', COALESCE(quote_ident(roles.rolname), 'PUBLIC'))
FROM pg_catalog.pg_namespace AS ledger
CROSS JOIN LATERAL aclexplode(ledger.nspacl) AS granted
LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = granted.grantee
WHERE ledger.nspname = 'usagefix' AND granted.grantee <> ledger.nspowner AND granted.privilege_type = 'CREATE'
UNION
SELECT format('trigger %%I on %%s', acting.tgname, parts.oid::regclass)
FROM parts JOIN pg_catalog.pg_trigger AS acting ON acting.tgrelid = parts.oid AND NOT acting.tgisinternal
UNION
SELECT format('rule %%I on %%s', acting.rulename, parts.oid::regclass)
FROM parts JOIN pg_catalog.pg_rewrite AS acting ON acting.ev_class = parts.oid
UNION
SELECT format('policy %%I on %%s', acting.polname, parts.oid::regclass)
FROM parts JOIN pg_catalog.pg_policy AS acting ON acting.polrelid = parts.oid
ORDER BY why
