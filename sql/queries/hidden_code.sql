-- Code that the server runs when it only plans a query on tables, or when usagefix casts a column, with the rights of
-- who reads: functions in indexes, statistics, keys of partitions, generated columns, constraints of children and of
-- domains, ranges, and casts. Only those of a role (by) that lacks the reader's rights. Where such a role wrote the
-- constraint (given), the functions of anybody that it calls: given_code.sql says which of them are dangerous. With a
-- table (root) are read its children, and what its foreign keys lead to. What an owner wrote for an own table that is
-- named endangers superusers only. Parameters: tables (as SQL writes them), named.
WITH RECURSIVE reached AS (
    SELECT name AS root, to_regclass(name)::oid AS relation FROM unnest(%(tables)s::text[]) AS name
    UNION
    SELECT name, confrelid
    FROM unnest(%(tables)s::text[]) AS name
    JOIN pg_catalog.pg_constraint ON contype = 'f' AND conrelid = to_regclass(name)
), tree AS (
    SELECT root, relation FROM reached
    UNION
    SELECT root, inhrelid FROM pg_catalog.pg_inherits JOIN tree ON inhparent = relation
), own AS (
    SELECT root, relation, 'pg_catalog.pg_class'::regclass AS catalog, relation AS part,
        (SELECT partexprs::text FROM pg_catalog.pg_partitioned_table WHERE partrelid = relation) AS parsed
    FROM tree
    UNION ALL
    SELECT root, relation, 'pg_catalog.pg_class'::regclass, indexrelid, concat(indexprs::text, indpred::text)
    FROM pg_catalog.pg_index JOIN tree ON indrelid = relation
    UNION ALL
    SELECT root, relation, 'pg_catalog.pg_statistic_ext'::regclass, pg_statistic_ext.oid, stxexprs::text
    FROM pg_catalog.pg_statistic_ext JOIN tree ON stxrelid = relation
    UNION ALL
    SELECT root, relation, 'pg_catalog.pg_attrdef'::regclass, pg_attrdef.oid, adbin::text
    FROM pg_catalog.pg_attrdef
    JOIN pg_catalog.pg_attribute ON attrelid = adrelid AND attnum = adnum AND attgenerated <> ''
    JOIN tree ON attrelid = relation
    UNION ALL
    SELECT root, relation, 'pg_catalog.pg_constraint'::regclass, pg_constraint.oid, conbin::text
    FROM pg_catalog.pg_constraint JOIN tree ON conrelid = relation
    WHERE contype = 'c' AND (current_setting('constraint_exclusion') = 'on'
        OR EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = conrelid))
), types AS (
    SELECT root, relation, atttypid AS type
    FROM pg_catalog.pg_attribute JOIN tree ON attrelid = relation
    WHERE attnum > 0 AND NOT attisdropped
    UNION
    SELECT root, relation, named[1]::oid
    FROM own CROSS JOIN LATERAL regexp_matches(parsed, ':\w*typ\w* (\d+)', 'g') AS found (named)
    UNION
    SELECT root, relation, part
    FROM types
    JOIN pg_catalog.pg_type ON pg_type.oid = type
    CROSS JOIN LATERAL (
        SELECT unnest(ARRAY[typbasetype, typelem])
        UNION ALL
        SELECT atttypid FROM pg_catalog.pg_attribute
        WHERE attrelid = NULLIF(typrelid, 0) AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT rngsubtype FROM pg_catalog.pg_range WHERE pg_type.oid IN (rngtypid, rngmultitypid)
        UNION ALL -- what it is cast to in its constraints: pg_depend lacks what JSON_VALUE() and the like return
        SELECT named[1]::oid
        FROM pg_catalog.pg_constraint
        CROSS JOIN LATERAL regexp_matches(conbin::text, ':\w*typ\w* (\d+)', 'g') AS found (named)
        WHERE contypid = pg_type.oid
    ) AS made (part)
), parts AS (
    SELECT root, relation, catalog, part FROM own
    UNION ALL
    SELECT root, relation, 'pg_catalog.pg_constraint'::regclass, pg_constraint.oid
    FROM pg_catalog.pg_constraint JOIN types ON contypid = type
    WHERE contypid <> 0
), called AS (
    SELECT root, relation, refobjid AS function
    FROM parts JOIN pg_catalog.pg_depend ON classid = catalog AND objid = part
    WHERE refclassid = 'pg_catalog.pg_proc'::regclass
    UNION
    SELECT root, relation, oprcode
    FROM parts
    JOIN pg_catalog.pg_depend ON classid = catalog AND objid = part
    JOIN pg_catalog.pg_operator ON refclassid = 'pg_catalog.pg_operator'::regclass AND pg_operator.oid = refobjid
    UNION
    SELECT root, relation, castfunc
    FROM pg_catalog.pg_cast
    JOIN types ON type IN (castsource, casttarget)
    JOIN pg_catalog.pg_type AS own ON own.oid = type AND own.typnamespace <> 'pg_catalog'::regnamespace
    JOIN pg_catalog.pg_type AS other ON other.oid = CASE castsource WHEN type THEN casttarget ELSE castsource END
    WHERE other.typnamespace = 'pg_catalog'::regnamespace OR other.oid IN (SELECT type FROM types)
    UNION
    SELECT root, relation, rngsubdiff::oid FROM pg_catalog.pg_range JOIN types ON type = rngtypid
), run AS (
    SELECT root, relation, pg_proc.oid AS function, proowner AS author, false AS given
    FROM called JOIN pg_catalog.pg_proc ON pg_proc.oid = function
    UNION
    SELECT root, relation, pg_proc.oid, COALESCE(typowner, own.relowner), true
    FROM parts
    JOIN pg_catalog.pg_constraint ON catalog = 'pg_catalog.pg_constraint'::regclass AND pg_constraint.oid = part
    LEFT JOIN pg_catalog.pg_type ON pg_type.oid = contypid
    LEFT JOIN pg_catalog.pg_class AS own ON own.oid = conrelid
    CROSS JOIN LATERAL regexp_matches(conbin::text, ':(?:op)?funcid (\d+)', 'g') AS found (call)
    JOIN pg_catalog.pg_proc ON pg_proc.oid = found.call[1]::oid
)
SELECT root, pg_class.oid::regclass::text AS relation, pg_catalog.pg_get_userbyid(relowner)::text AS owner,
    function::bigint AS oid, function::regprocedure::text AS function, pg_catalog.pg_get_userbyid(author)::text AS by,
    given
FROM run JOIN pg_catalog.pg_class ON pg_class.oid = relation
WHERE NOT pg_catalog.pg_has_role(author, current_user, 'MEMBER')
    AND NOT (%(named)s AND author = relowner AND NOT current_setting('is_superuser')::boolean)
ORDER BY root, relation, given, function
