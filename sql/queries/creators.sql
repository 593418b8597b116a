-- The column of presets that holds the user who created one, as SQL writes it: a foreign key to the users of
-- preset_usage, else a column with a usual name. No row if there is none.
SELECT quote_ident(columns.attname) AS creator
FROM pg_catalog.pg_attribute AS columns
LEFT JOIN pg_catalog.pg_constraint AS constraints
    ON constraints.conrelid = columns.attrelid AND constraints.contype = 'f'
    AND constraints.conkey = ARRAY[columns.attnum]
LEFT JOIN pg_catalog.pg_attribute AS users
    ON users.attrelid = to_regclass(%(child)s) AND users.attname = %(user)s AND NOT users.attisdropped
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS of_users
        WHERE of_users.conrelid = users.attrelid AND of_users.contype = 'f' AND of_users.conkey = ARRAY[users.attnum]
            AND of_users.confrelid = constraints.confrelid
    ) AS same
) AS refers
CROSS JOIN LATERAL (
    SELECT array_position(
        ARRAY[%(user)s, 'user_id', 'created_by', 'creator_id', 'owner_id', 'author_id'], columns.attname::text
    ) AS place
) AS named
WHERE columns.attrelid = to_regclass(%(parent)s) AND columns.attnum > 0 AND NOT columns.attisdropped
    AND columns.atttypid = users.atttypid AND columns.attname <> %(key)s
    AND (refers.same OR named.place IS NOT NULL AND constraints.oid IS NULL)
ORDER BY refers.same DESC, named.place NULLS LAST, columns.attnum LIMIT 1
