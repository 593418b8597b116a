-- What is there of the two tables: null where a table is missing, and the columns that are.
SELECT
    wanted.name AS name,
    tables.oid IS NOT NULL AS present,
    COALESCE((SELECT relkind FROM pg_catalog.pg_class WHERE oid = to_regclass('public.' || wanted.name)), ' ') IN ('v', 'm', 'f') AS other_kind,
    COALESCE(tables.relforcerowsecurity, false) AS force_rls,
    pg_catalog.pg_get_userbyid(tables.relowner)::text AS owner,
    COALESCE(pg_catalog.pg_has_role(current_user, tables.relowner, 'USAGE'), false) AS owned,
    COALESCE(pg_catalog.has_table_privilege(tables.oid, 'SELECT'), false) AS readable,
    COALESCE(pg_catalog.row_security_active(tables.oid), false) AS filtered,
    ARRAY(
        SELECT attname::text FROM pg_catalog.pg_attribute
        WHERE attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
    ) AS columns
FROM (VALUES ('presets'), ('preset_usage')) AS wanted (name)
LEFT JOIN pg_catalog.pg_class AS tables
    ON tables.oid = to_regclass('public.' || wanted.name) AND tables.relkind IN ('r', 'p')
