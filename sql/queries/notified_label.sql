-- What people call the row to which a column refers: the table, its key, and the column with names, if this role may
-- read them all.
SELECT links.confrelid::regclass::text AS table_sql, keys.attname::text AS key, labels.attname::text AS label
FROM pg_catalog.pg_constraint AS links
JOIN pg_catalog.pg_class AS tables ON tables.oid = links.conrelid
JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = tables.relnamespace
JOIN pg_catalog.pg_attribute AS columns ON columns.attrelid = links.conrelid AND links.conkey = ARRAY[columns.attnum]
JOIN pg_catalog.pg_attribute AS keys ON keys.attrelid = links.confrelid AND keys.attnum = links.confkey[1]
JOIN pg_catalog.pg_attribute AS labels ON labels.attrelid = links.confrelid AND NOT labels.attisdropped
    AND labels.attname IN ('name', 'title', 'label')
    AND labels.atttypid IN ('text'::regtype, 'varchar'::regtype) AND keys.atttypid = columns.atttypid
WHERE schemas.nspname = %(schema)s AND tables.relname = %(table)s AND columns.attname = %(column)s
    AND links.contype = 'f' AND has_table_privilege(links.confrelid, 'SELECT')
    AND NOT row_security_active(links.confrelid)
ORDER BY labels.attname
LIMIT 1
