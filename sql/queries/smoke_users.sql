-- The users of preset_usage: their table, its key, and the column that holds the session's user, which is another
-- column if the table holds profiles; whether this role may read it. No row if there is no foreign key.
SELECT constraints.confrelid::regclass::text AS relation, quote_ident(key.attname) AS key,
    quote_ident(COALESCE(profile.attname, key.attname)) AS claim,
    pg_catalog.has_schema_privilege(tables.relnamespace, 'USAGE')
        AND pg_catalog.has_table_privilege(tables.oid, 'SELECT')
        AND NOT pg_catalog.row_security_active(tables.oid) AS readable
FROM pg_catalog.pg_constraint AS constraints
JOIN pg_catalog.pg_attribute AS users
    ON users.attrelid = constraints.conrelid AND constraints.conkey = ARRAY[users.attnum] AND users.attname = %(user)s
JOIN pg_catalog.pg_class AS tables ON tables.oid = constraints.confrelid
JOIN pg_catalog.pg_attribute AS key ON key.attrelid = constraints.confrelid AND key.attnum = constraints.confkey[1]
LEFT JOIN pg_catalog.pg_attribute AS profile
    ON profile.attrelid = constraints.confrelid AND profile.attname = 'user_id' AND NOT profile.attisdropped
    AND profile.attnum <> key.attnum
WHERE constraints.conrelid = to_regclass(%(child)s) AND constraints.contype = 'f'
LIMIT 1
