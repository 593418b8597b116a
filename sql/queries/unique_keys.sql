-- The columns of each unique index of the events, with those of its expressions and predicate, that a copied event
-- would violate, because nothing gives one of its columns a new value.
SELECT ARRAY(
        SELECT used.attname::text FROM pg_catalog.pg_attribute AS used
        WHERE used.attrelid = keys.indrelid AND used.attnum = ANY (read.columns) ORDER BY used.attnum
    ) AS columns
FROM pg_catalog.pg_index AS keys
CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT dependency.refobjsubid::smallint) || keys.indkey::smallint[] AS columns
    FROM pg_catalog.pg_depend AS dependency
    WHERE dependency.classid = 'pg_class'::regclass AND dependency.objid = keys.indexrelid
        AND dependency.refclassid = 'pg_class'::regclass AND dependency.refobjid = keys.indrelid
        AND dependency.refobjsubid > 0
) AS read
WHERE keys.indrelid = to_regclass(%(child)s) AND keys.indisunique AND keys.indislive AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute AS filled
    LEFT JOIN pg_catalog.pg_attrdef AS made ON made.adrelid = filled.attrelid AND made.adnum = filled.attnum
    WHERE filled.attrelid = keys.indrelid AND filled.attnum = ANY (read.columns) AND (filled.attidentity <> ''
        OR filled.attgenerated = '' AND pg_catalog.pg_get_expr(made.adbin, made.adrelid) LIKE '%%(%%'))
ORDER BY keys.indexrelid
