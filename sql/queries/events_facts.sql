-- What a recorder of events needs: the table to which the foreign key of the events' user refers, as an object, or
-- null; and whether auth.uid() exists. Of the functions: which of them triggers of the two tables call (attached), and
-- what each role that owns some can do to the counter (owners).
WITH RECURSIVE tree AS (
    SELECT to_regclass(%(child)s)::oid AS relation
    UNION ALL
    SELECT parents.inhrelid FROM pg_catalog.pg_inherits AS parents JOIN tree ON parents.inhparent = tree.relation
)
SELECT (
        SELECT jsonb_build_object('table', constraints.confrelid::regclass::text, 'key', key.attname,
            'profile', profile.attname IS NOT NULL)
        FROM pg_catalog.pg_constraint AS constraints
        JOIN pg_catalog.pg_attribute AS users
            ON users.attrelid = constraints.conrelid AND constraints.conkey = ARRAY[users.attnum]
            AND users.attname = %(user)s
        JOIN pg_catalog.pg_attribute AS key
            ON key.attrelid = constraints.confrelid AND key.attnum = constraints.confkey[1]
        LEFT JOIN pg_catalog.pg_attribute AS profile
            ON profile.attrelid = constraints.confrelid AND profile.attname = 'user_id' AND NOT profile.attisdropped
            AND profile.attnum <> key.attnum
        WHERE constraints.conrelid = to_regclass(%(child)s) AND constraints.contype = 'f'
        ORDER BY constraints.oid LIMIT 1
    ) AS user_key,
    EXISTS (
        SELECT FROM pg_catalog.pg_proc AS functions
        JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = functions.pronamespace
        WHERE schemas.nspname = 'auth' AND functions.proname = 'uid' AND functions.pronargs = 0
    ) AS auth_uid,
    ARRAY(
        SELECT DISTINCT existing.tgfoid::bigint FROM pg_catalog.pg_trigger AS existing
        WHERE existing.tgrelid IN (SELECT relation FROM tree) OR existing.tgrelid = to_regclass(%(parent)s)
    ) AS attached,
    (
        SELECT jsonb_object_agg(owners.rolname, jsonb_build_object(
            'owner_passes_rls', owners.rolsuper OR owners.rolbypassrls OR NOT counters.relrowsecurity
                OR NOT counters.relforcerowsecurity AND pg_has_role(owners.oid, counters.relowner, 'USAGE'),
            'owner_may_count', COALESCE((
                SELECT has_column_privilege(owners.oid, attrelid, attnum, 'UPDATE') FROM pg_catalog.pg_attribute
                WHERE attrelid = counters.oid AND attname = %(column)s), false),
            'trusted', owners.rolsuper OR pg_has_role(owners.oid, counters.relowner, 'MEMBER')
                OR owners.oid = (SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database())
                    AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE oid = counters.relowner)))
        FROM pg_catalog.pg_roles AS owners
        JOIN pg_catalog.pg_class AS counters ON counters.oid = to_regclass(%(parent)s)
        WHERE owners.oid IN (SELECT proowner FROM pg_catalog.pg_proc)
    ) AS owners
