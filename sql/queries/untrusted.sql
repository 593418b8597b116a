-- What the view pg_temp.usagefix_vetted runs and neither PostgreSQL nor a trusted role created: functions, those of
-- operators, and domains, each with its owner. Trusted are superusers and the owner of the table with the counter.
-- Parameter: owner.
WITH used AS (
    SELECT DISTINCT refclassid, refobjid
    FROM pg_catalog.pg_depend
    JOIN pg_catalog.pg_rewrite ON pg_rewrite.oid = objid AND classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    WHERE ev_class = 'pg_temp.usagefix_vetted'::pg_catalog.regclass
), run AS (
    SELECT pg_proc.oid::pg_catalog.regprocedure::text AS name, proowner AS owner
    FROM used
    JOIN pg_catalog.pg_proc ON refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND pg_proc.oid = refobjid
    UNION ALL
    SELECT pg_operator.oid::pg_catalog.regoperator::text, proowner
    FROM used
    JOIN pg_catalog.pg_operator
        ON refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND pg_operator.oid = refobjid
    JOIN pg_catalog.pg_proc ON pg_proc.oid = oprcode
    UNION ALL
    SELECT pg_type.oid::pg_catalog.regtype::text, typowner
    FROM used
    JOIN pg_catalog.pg_type ON refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND pg_type.oid = refobjid
    WHERE typtype = 'd'
)
SELECT name, rolname::text AS owner
FROM run JOIN pg_catalog.pg_roles ON pg_roles.oid = owner
WHERE NOT rolsuper AND rolname <> %(owner)s
ORDER BY 1
