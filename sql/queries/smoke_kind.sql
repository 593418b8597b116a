-- A kind of use that preset_usage takes: the first label of its type, else the first one that a constraint lists.
SELECT COALESCE(
    (SELECT labels.enumlabel::text
        FROM pg_catalog.pg_enum AS labels
        WHERE labels.enumtypid = kinds.atttypid
        ORDER BY enumsortorder LIMIT 1),
    (SELECT (regexp_match(pg_catalog.pg_get_constraintdef(oid), '''([^'']+)'''))[1]
        FROM pg_catalog.pg_constraint
        WHERE contype = 'c' AND conkey = ARRAY[kinds.attnum] AND conrelid = kinds.attrelid
        ORDER BY oid LIMIT 1)
) AS kind
FROM pg_catalog.pg_attribute AS kinds
WHERE kinds.attrelid = to_regclass(%(child)s) AND kinds.attname = %(kind)s AND NOT kinds.attisdropped
