-- The role of the application: on Supabase authenticated. Elsewhere null, which means the session's own, or, for a
-- superuser, with whose rights the owner's code must not run, the owner of the events. may: the session may act as it.
SELECT roles.oid IS NULL OR pg_has_role(roles.oid, CASE
        WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET'
    END) AS may,
    CASE
        WHEN EXISTS (
            SELECT FROM pg_catalog.pg_proc AS functions
            JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = functions.pronamespace
            WHERE schemas.nspname = 'auth' AND functions.proname = 'uid' -- to_regprocedure() may lack the privilege
        ) AND pg_catalog.has_schema_privilege(roles.oid, to_regnamespace(%(schema_sql)s)::oid, 'USAGE')
        THEN roles.rolname::text
        WHEN current_setting('is_superuser')::boolean THEN (
            SELECT owners.rolname::text
            FROM pg_catalog.pg_class AS events JOIN pg_catalog.pg_roles AS owners ON owners.oid = events.relowner
            WHERE events.oid = to_regclass(%(child)s) AND NOT owners.rolsuper)
    END AS role
FROM (VALUES ('authenticated'::name)) AS wanted (name)
LEFT JOIN pg_catalog.pg_roles AS roles ON roles.rolname = wanted.name
