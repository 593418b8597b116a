-- The privileges that apply and rollback need besides ownership of the two tables. Each row: a missing privilege.
SELECT format('CREATE on schema %%s', %(schema_sql)s::text) AS missing,
    format('GRANT CREATE ON SCHEMA %%s TO %%I', %(schema_sql)s::text, current_user) AS remedy
WHERE NOT has_schema_privilege(to_regnamespace(%(schema_sql)s)::oid, 'CREATE')
UNION ALL
SELECT format('CREATE on database %%s', current_database()),
    format('GRANT CREATE ON DATABASE %%1$I TO %%2$I, or CREATE SCHEMA usagefix AUTHORIZATION %%2$I',
        current_database(), current_user)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'usagefix')
    AND NOT has_database_privilege(current_database(), 'CREATE')
UNION ALL
SELECT format('TEMPORARY on database %%s', current_database()),
    format('GRANT TEMPORARY ON DATABASE %%I TO %%I', current_database(), current_user)
WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')
UNION ALL
SELECT 'the ledger, schema usagefix',
    format(CASE WHEN owners.rolsuper THEN 'connect as %%s, to whom it belongs' ELSE 'GRANT %%I TO %%I' END,
        owners.rolname, current_user)
FROM pg_catalog.pg_namespace AS ledger
JOIN pg_catalog.pg_roles AS owners ON owners.oid = ledger.nspowner
WHERE ledger.nspname = 'usagefix' AND NOT pg_has_role(current_user, ledger.nspowner, 'USAGE')
UNION ALL
SELECT format('ownership of function %%s', functions.oid::regprocedure),
    format('ALTER FUNCTION %%s OWNER TO %%I', functions.oid::regprocedure, current_user)
FROM pg_catalog.pg_proc AS functions
WHERE functions.pronamespace = to_regnamespace(%(schema_sql)s)
    AND functions.proname IN (%(recorder)s, %(auto_increment_name)s, %(guard_name)s)
    AND NOT pg_has_role(current_user, functions.proowner, 'USAGE')
UNION ALL
SELECT format('a way past FORCE ROW LEVEL SECURITY on %%s: its owner, %%s, would count nothing', %(parent_name)s::text,
        owners.rolname),
    format('ALTER TABLE %%s NO FORCE ROW LEVEL SECURITY, or ALTER ROLE %%I BYPASSRLS', %(parent)s::text, owners.rolname)
FROM pg_catalog.pg_class AS tables
JOIN pg_catalog.pg_roles AS owners ON owners.oid = tables.relowner
WHERE tables.oid = to_regclass(%(parent)s) AND tables.relforcerowsecurity
    AND NOT (owners.rolsuper OR owners.rolbypassrls)
