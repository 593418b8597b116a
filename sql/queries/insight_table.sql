-- The table of events: the server's estimate of its rows, and whether it has an index that begins with the time of an
-- event, and one with its user.
SELECT
    (
        SELECT COALESCE(sum(GREATEST(parts.reltuples, 0)), 0)::bigint
        FROM pg_catalog.pg_partition_tree(to_regclass(%(child)s)) AS tree
        JOIN pg_catalog.pg_class AS parts ON parts.oid = tree.relid
        WHERE tree.isleaf
    ) AS rows,
    COALESCE(bool_or(first_column.attname = %(time)s), false) AS time_indexed,
    COALESCE(bool_or(first_column.attname = %(user)s), false) AS user_indexed
FROM pg_catalog.pg_index AS indexed
JOIN pg_catalog.pg_attribute AS first_column
    ON first_column.attrelid = indexed.indrelid AND first_column.attnum = indexed.indkey[0]
WHERE indexed.indrelid = to_regclass(%(child)s) AND indexed.indisvalid AND indexed.indpred IS NULL
