-- Checks that each row of presets must pass again when it is updated, and may fail: constraints that were never
-- validated, or that a function or another day may judge otherwise, and (counted) what is made of the counter. builtin:
-- it calls only PostgreSQL's functions (calls: given_code.sql says which of them are dangerous). kind: constraint,
-- foreign key, column (a generated one), index. A relation is presets, or one of its partitions.
WITH RECURSIVE tree AS (
    SELECT to_regclass(%(parent)s)::oid AS relation
    UNION ALL
    SELECT parents.inhrelid FROM pg_catalog.pg_inherits AS parents JOIN tree ON parents.inhparent = tree.relation
), counted AS (
    SELECT attrelid, attnum FROM pg_catalog.pg_attribute JOIN tree ON tree.relation = attrelid
    WHERE attname IN (%(column)s, COALESCE(%(last)s, ''))
), code AS (
    SELECT made.conrelid AS relation, made.conname AS name, made.convalidated AS validated, 'constraint' AS kind,
        made.conbin::text AS parsed,
        CASE made.contype WHEN 'c' THEN pg_catalog.pg_get_expr(made.conbin, made.conrelid) ELSE (
            SELECT string_agg(format('%%I IS NOT NULL', attname), ' AND ') FROM pg_catalog.pg_attribute
            WHERE attrelid = made.conrelid AND attnum = ANY (made.conkey)) END AS expression,
        EXISTS (SELECT FROM counted WHERE attrelid = made.conrelid AND attnum = ANY (made.conkey)) AS counted
    FROM pg_catalog.pg_constraint AS made JOIN tree ON tree.relation = made.conrelid
    WHERE made.coninhcount = 0 AND (made.contype = 'c' OR made.contype = 'n' AND NOT made.convalidated)
        AND to_jsonb(made) ->> 'conenforced' IS DISTINCT FROM 'false'
    UNION ALL
    -- PostgreSQL checks a foreign key again if one transaction updates a row twice.
    SELECT made.conrelid, made.conname, false, 'foreign key', NULL, format(
        '%%s OR EXISTS (SELECT FROM %%s AS referred WHERE %%s)',
        string_agg(format('%%I.%%I IS NULL', tables.relname, own.attname), ' OR '), made.confrelid::regclass,
        string_agg(format('referred.%%I = %%I.%%I', other.attname, tables.relname, own.attname), ' AND ')), false
    FROM pg_catalog.pg_constraint AS made
    JOIN tree ON tree.relation = made.conrelid
    JOIN pg_catalog.pg_class AS tables ON tables.oid = made.conrelid
    CROSS JOIN LATERAL unnest(made.conkey, made.confkey) AS keys (own, other)
    JOIN pg_catalog.pg_attribute AS own ON own.attrelid = made.conrelid AND own.attnum = keys.own
    JOIN pg_catalog.pg_attribute AS other ON other.attrelid = made.confrelid AND other.attnum = keys.other
    WHERE made.contype = 'f' AND made.conparentid = 0 AND NOT made.convalidated
        AND to_jsonb(made) ->> 'conenforced' IS DISTINCT FROM 'false'
    GROUP BY made.oid, made.conrelid, made.conname, made.confrelid
    UNION ALL
    SELECT columns.attrelid, columns.attname, true, 'column', made.adbin::text,
        pg_catalog.pg_get_expr(made.adbin, made.adrelid), EXISTS (
            SELECT FROM counted JOIN pg_catalog.pg_depend AS used ON used.refobjid = counted.attrelid
                AND used.refobjsubid = counted.attnum AND used.refclassid = 'pg_class'::regclass
            WHERE counted.attrelid = columns.attrelid
                AND (used.classid = 'pg_class'::regclass AND used.objid = columns.attrelid
                        AND used.objsubid = columns.attnum
                    OR used.classid = 'pg_attrdef'::regclass AND used.objid = made.oid))
    FROM pg_catalog.pg_attribute AS columns
    JOIN tree ON tree.relation = columns.attrelid
    JOIN pg_catalog.pg_attrdef AS made ON made.adrelid = columns.attrelid AND made.adnum = columns.attnum
    WHERE columns.attgenerated = 's' AND columns.attinhcount = 0
    UNION ALL
    SELECT indexes.indrelid, names.relname, true, 'index', concat(indexes.indexprs::text, indexes.indpred::text),
        concat_ws(', ', VARIADIC array_append(ARRAY(
            SELECT pg_catalog.pg_get_indexdef(indexes.indexrelid, n, false)
            FROM generate_series(1, indexes.indnkeyatts) AS n WHERE indexes.indkey[n - 1] = 0
        ), pg_catalog.pg_get_expr(indexes.indpred, indexes.indrelid))), EXISTS (
            SELECT FROM counted JOIN pg_catalog.pg_depend AS used
                ON used.refobjid = counted.attrelid AND used.refobjsubid = counted.attnum
            WHERE counted.attrelid = indexes.indrelid AND used.objid = indexes.indexrelid)
    FROM pg_catalog.pg_index AS indexes
    JOIN tree ON tree.relation = indexes.indrelid
    JOIN pg_catalog.pg_class AS names ON names.oid = indexes.indexrelid
    WHERE (indexes.indexprs IS NOT NULL OR indexes.indpred IS NOT NULL) AND NOT names.relispartition
), judged AS (
    SELECT code.*, calls.foreign_code, calls.changing, calls.functions
    FROM code
    CROSS JOIN LATERAL (
        SELECT COALESCE(bool_or(functions.pronamespace <> 'pg_catalog'::regnamespace), false) OR EXISTS (
                SELECT FROM regexp_matches(code.parsed, ':(?!vartyp)\w*typ\w* (\d+)', 'g') AS found (named)
                JOIN pg_catalog.pg_type AS types ON types.oid = found.named[1]::oid
                WHERE types.typnamespace <> 'pg_catalog'::regnamespace AND types.typtype <> 'e') AS foreign_code,
            COALESCE(bool_or(functions.provolatile <> 'i'), false)
                OR COALESCE(code.parsed LIKE '%%{SQLVALUEFUNCTION %%', false) AS changing,
            COALESCE(array_agg(functions.oid::bigint), '{}') AS functions
        FROM regexp_matches(code.parsed, ':(?:op)?funcid (\d+)', 'g') AS found (call)
        JOIN pg_catalog.pg_proc AS functions ON functions.oid = found.call[1]::oid
    ) AS calls
)
SELECT judged.relation::regclass::text AS relation, tables.relname::text AS relation_name,
    quote_ident(judged.name) AS name, judged.expression AS expression, judged.kind AS kind,
    judged.counted AS counted, (
        SELECT pg_catalog.format_type(atttypid, NULL) FROM pg_catalog.pg_attribute
        WHERE attrelid = judged.relation AND attname = %(column)s) AS counter_type,
    judged.validated AS validated, NOT judged.foreign_code AS builtin, judged.functions AS calls,
    ARRAY(
        SELECT attname::text FROM pg_catalog.pg_attribute
        WHERE attrelid = judged.relation AND attnum > 0 AND NOT attisdropped ORDER BY attnum
    ) AS columns
FROM judged JOIN pg_catalog.pg_class AS tables ON tables.oid = judged.relation
WHERE judged.counted OR judged.kind IN ('constraint', 'foreign key')
    AND (NOT judged.validated OR judged.changing OR judged.foreign_code)
ORDER BY judged.relation, judged.name
