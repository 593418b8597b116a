-- What a recorder of events needs: the table to which the foreign key of the events' user refers, as an object, or
-- null; and whether auth.uid() exists.
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
    ) AS auth_uid
