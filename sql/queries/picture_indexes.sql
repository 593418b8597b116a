-- The indexes of the two tables, without those of partitions that belong to an index of the whole. keys: in their
-- order, null for an expression; columns: of keys, expressions and predicate. daily: it lets one person use a preset
-- once a day, whatever its name.
SELECT
    CASE indexed.indrelid WHEN to_regclass(%(parent)s) THEN 'presets' ELSE 'preset_usage' END AS on_table,
    indexed.indexrelid::regclass::text AS name,
    pg_catalog.pg_get_indexdef(indexed.indexrelid) AS definition,
    methods.amname::text AS method,
    indexed.indisunique AS is_unique,
    indexed.indisprimary AS is_primary,
    indexed.indisvalid AND indexed.indisready AS valid,
    indexed.indpred IS NOT NULL AS partial,
    (SELECT made.conname::text FROM pg_catalog.pg_constraint AS made
     WHERE made.conindid = indexed.indexrelid AND made.contype IN ('p', 'u', 'x')) AS constraint_name,
    ARRAY(
        SELECT named.attname::text
        FROM unnest(indexed.indkey) WITH ORDINALITY AS keys (number, place)
        LEFT JOIN pg_catalog.pg_attribute AS named ON named.attrelid = indexed.indrelid AND named.attnum = keys.number
            AND named.attnum > 0
        WHERE keys.place <= indexed.indnkeyatts ORDER BY keys.place
    ) AS keys,
    ARRAY(
        SELECT used.attname::text
        FROM pg_catalog.pg_attribute AS used
        WHERE used.attrelid = indexed.indrelid AND used.attnum > 0 AND (
            used.attnum = ANY (indexed.indkey) OR EXISTS (
                SELECT FROM pg_catalog.pg_depend AS dependency
                WHERE dependency.classid = 'pg_class'::regclass AND dependency.objid = indexed.indexrelid
                    AND dependency.refclassid = 'pg_class'::regclass AND dependency.refobjid = indexed.indrelid
                    AND dependency.refobjsubid = used.attnum))
        ORDER BY used.attnum
    ) AS columns,
    COALESCE(indexed.indrelid = to_regclass(%(child)s) AND indexed.indisunique AND NOT indexed.indisprimary AND (
        indexed.indexrelid = to_regclass(%(daily)s)
        OR (
            -- A generated day is a day of the time of the use.
            SELECT bool_and((columns.attname IN (%(foreign_key)s, %(user)s, %(kind)s, %(time)s, 'used_at')) IS TRUE
                    OR columns.attgenerated <> '' AND columns.atttypid = 'date'::regtype)
                AND bool_or(columns.attname = %(foreign_key)s)
                AND bool_or((columns.attname IN (%(time)s, 'used_at')) IS TRUE OR columns.attgenerated <> '')
            FROM pg_catalog.pg_attribute AS columns
            WHERE columns.attrelid = indexed.indrelid AND columns.attnum > 0 AND (
                columns.attnum = ANY (indexed.indkey) OR EXISTS (
                    SELECT FROM pg_catalog.pg_depend AS named
                    WHERE named.classid = 'pg_class'::regclass AND named.objid = indexed.indexrelid
                        AND named.refclassid = 'pg_class'::regclass AND named.refobjid = indexed.indrelid
                        AND named.refobjsubid = columns.attnum))
        ) AND (
            pg_catalog.pg_get_indexdef(indexed.indexrelid) ~ 'date_trunc\(''day''' OR EXISTS (
                SELECT FROM pg_catalog.pg_attribute AS keys
                WHERE keys.attrelid = indexed.indexrelid AND keys.attnum <= indexed.indnkeyatts
                    AND keys.atttypid = 'date'::regtype))
    ), false) AS daily,
    COALESCE(pg_catalog.pg_relation_size(indexed.indexrelid), 0) AS size
FROM pg_catalog.pg_index AS indexed
JOIN pg_catalog.pg_class AS parts ON parts.oid = indexed.indexrelid
JOIN pg_catalog.pg_am AS methods ON methods.oid = parts.relam
WHERE indexed.indrelid IN (to_regclass(%(parent)s), to_regclass(%(child)s))
ORDER BY on_table, name
