-- Roles other than its owner that may write to what rollback runs, or an owner that is not to be trusted with it.
SELECT COALESCE(roles.rolname, 'PUBLIC')::text AS role
FROM pg_catalog.pg_class AS ledger
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = ledger.relnamespace
JOIN pg_catalog.pg_roles AS owners ON owners.oid = ledger.relowner
CROSS JOIN LATERAL aclexplode(COALESCE(ledger.relacl, acldefault('r', ledger.relowner))) AS granted
LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = granted.grantee
WHERE namespace.nspname = 'usagefix' AND ledger.relname = 'saved_objects'
    AND (granted.grantee <> ledger.relowner
         OR NOT (owners.rolsuper OR owners.rolname = current_user OR owners.oid = (
             SELECT presets.relowner FROM pg_catalog.pg_class AS presets WHERE presets.oid = to_regclass('public.presets'))))
