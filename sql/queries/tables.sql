-- The two tables: null if a table is missing. columns: by name, each with its type, whether it is required, whether it
-- has a default, and how its values are compared (base: the base type of a domain; own_equality: it is no type of
-- PostgreSQL; exact: values that its collation calls equal are identical). elsewhere: other schemas that have both
-- tables. The one with the counter comes first.
SELECT
    wanted.name AS name,
    tables.oid IS NOT NULL AS present,
    COALESCE((SELECT relkind FROM pg_catalog.pg_class WHERE oid = to_regclass(wanted.qualified)), ' ')
        IN ('v', 'm', 'f') AS other_kind,
    COALESCE(tables.relkind = 'p', false) AS partitioned,
    COALESCE(tables.relrowsecurity, false) AS rls,
    COALESCE(tables.relforcerowsecurity, false) AS force_rls,
    pg_catalog.pg_get_userbyid(tables.relowner)::text AS owner,
    COALESCE(pg_catalog.pg_has_role(current_user, tables.relowner, 'USAGE'), false) AS owned,
    COALESCE(pg_catalog.has_table_privilege(tables.oid, 'SELECT'), false) AS readable,
    COALESCE(pg_catalog.row_security_active(tables.oid), false) AS filtered,
    COALESCE((
        SELECT jsonb_object_agg(attname, jsonb_build_object(
            'type', pg_catalog.format_type(atttypid, atttypmod), 'required', attnotnull,
            'filled', atthasdef OR attidentity <> '' OR attgenerated <> '',
            'made', attidentity = 'a' OR attgenerated <> '',
            'base', pg_catalog.format_type(base.oid, NULL), 'own_equality',
            base.typnamespace <> 'pg_catalog'::regnamespace AND base.typtype <> 'e',
            'collation', NULLIF(attcollation, 0)::regcollation::text, 'exact', collisdeterministic IS NOT FALSE))
        FROM pg_catalog.pg_attribute
        JOIN pg_catalog.pg_type AS types ON types.oid = atttypid
        JOIN pg_catalog.pg_type AS base ON base.oid = COALESCE(NULLIF(types.typbasetype, 0), types.oid)
        LEFT JOIN pg_catalog.pg_collation ON pg_collation.oid = attcollation
        WHERE attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
    ), '{}') AS columns,
    ARRAY(
        SELECT namespace.nspname::text
        FROM pg_catalog.pg_class AS other
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = other.relnamespace
        WHERE other.relname IN (%(parent_name)s, %(child_name)s) AND other.relkind IN ('r', 'p')
            AND namespace.oid IS DISTINCT FROM to_regnamespace(%(schema_sql)s)::oid
        GROUP BY namespace.nspname HAVING count(*) = CASE WHEN %(parent_name)s = %(child_name)s THEN 1 ELSE 2 END
        ORDER BY namespace.nspname
    ) AS elsewhere
FROM (VALUES (1, %(parent_name)s::text, %(parent)s::text), (2, %(child_name)s, %(child)s))
    AS wanted (place, name, qualified)
LEFT JOIN pg_catalog.pg_class AS tables
    ON tables.oid = to_regclass(wanted.qualified) AND tables.relkind IN ('r', 'p')
ORDER BY wanted.place
