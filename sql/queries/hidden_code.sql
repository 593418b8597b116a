-- Code that the server runs when it only plans a query on tables, or when usagefix casts a column, with the rights of
-- who reads: functions in indexes, statistics, keys of partitions, generated columns, constraints of children and of
-- domains, and casts. Only those of a role that lacks the reader's rights. With a table (root) are read its children,
-- and what its foreign keys lead to. What an owner wrote for an own table that is named endangers superusers only.
-- Parameters: tables (as SQL writes them), named.
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
), types AS (
    SELECT root, relation, atttypid AS type
    FROM pg_catalog.pg_attribute JOIN tree ON attrelid = relation
    WHERE attnum > 0 AND NOT attisdropped
    UNION
    SELECT root, relation, unnest(ARRAY[typbasetype, typelem]) FROM pg_catalog.pg_type JOIN types ON pg_type.oid = type
), parts AS (
    SELECT root, relation, 'pg_catalog.pg_class'::regclass AS catalog, relation AS part FROM tree
    UNION ALL
    SELECT root, relation, 'pg_catalog.pg_class'::regclass, indexrelid
    FROM pg_catalog.pg_index JOIN tree ON indrelid = relation
    UNION ALL
    SELECT root, relation, 'pg_catalog.pg_statistic_ext'::regclass, pg_statistic_ext.oid
    FROM pg_catalog.pg_statistic_ext JOIN tree ON stxrelid = relation
    UNION ALL
    SELECT root, relation, 'pg_catalog.pg_attrdef'::regclass, pg_attrdef.oid
    FROM pg_catalog.pg_attrdef
    JOIN pg_catalog.pg_attribute ON attrelid = adrelid AND attnum = adnum AND attgenerated <> ''
    JOIN tree ON attrelid = relation
    UNION ALL
    SELECT root, relation, 'pg_catalog.pg_constraint'::regclass, pg_constraint.oid
    FROM pg_catalog.pg_constraint JOIN tree ON conrelid = relation
    WHERE contype = 'c' AND (current_setting('constraint_exclusion') = 'on'
        OR EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = conrelid))
    UNION ALL
    SELECT root, relation, 'pg_catalog.pg_constraint'::regclass, pg_constraint.oid
    FROM pg_catalog.pg_constraint JOIN types ON contypid = type
    WHERE contypid <> 0
), run AS (
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
)
SELECT root, pg_class.oid::regclass::text AS relation, pg_catalog.pg_get_userbyid(relowner)::text AS owner,
    pg_proc.oid::regprocedure::text AS function, pg_catalog.pg_get_userbyid(proowner)::text AS by
FROM run
JOIN pg_catalog.pg_class ON pg_class.oid = relation
JOIN pg_catalog.pg_proc ON pg_proc.oid = function
WHERE NOT pg_catalog.pg_has_role(proowner, current_user, 'MEMBER')
    AND NOT (%(named)s AND proowner = relowner AND NOT current_setting('is_superuser')::boolean)
ORDER BY root, relation, function
