-- The kinds of use that preset_usage accepts, at most twelve: the labels of their type, or the values that a constraint
-- of the column or of its type lists. No row if neither exists.
SELECT listed.kind
FROM pg_catalog.pg_attribute AS kinds
CROSS JOIN LATERAL (
    SELECT labels.enumlabel::text AS kind, 0::oid AS constrained, labels.enumsortorder::float8 AS place
    FROM pg_catalog.pg_enum AS labels WHERE labels.enumtypid = kinds.atttypid
    UNION ALL
    SELECT replace(found.literal[1], '''''', ''''), constraints.oid, found.place::float8
    FROM pg_catalog.pg_constraint AS constraints
    -- The values with which a column is compared, alone or in a list; no patterns, and no forbidden values.
    CROSS JOIN LATERAL regexp_matches(
        pg_catalog.pg_get_constraintdef(constraints.oid), '(?: = |\[|, |\()''((?:[^'']|'''')+)''', 'g'
    ) WITH ORDINALITY AS found (literal, place)
    WHERE constraints.contype = 'c' AND (
        constraints.conrelid = kinds.attrelid AND constraints.conkey = ARRAY[kinds.attnum]
        OR constraints.contypid <> 0::oid AND constraints.contypid = kinds.atttypid)
) AS listed
WHERE kinds.attrelid = to_regclass(%(child)s) AND kinds.attname = %(kind)s AND NOT kinds.attisdropped
ORDER BY listed.constrained, listed.place LIMIT 12
