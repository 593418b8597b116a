-- The triggers on the two tables and on partitions, and those elsewhere that call one of these functions; without those
-- of constraints. Parameter: functions (oids).
WITH RECURSIVE tree AS (
    SELECT to_regclass(%(child)s)::oid AS relation
    UNION ALL
    SELECT parents.inhrelid FROM pg_catalog.pg_inherits AS parents JOIN tree ON parents.inhparent = tree.relation
)
SELECT
    existing.tgname::text AS name,
    existing.tgrelid::regclass::text AS on_table,
    CASE WHEN existing.tgrelid = to_regclass(%(parent)s) AND %(parent)s = %(child)s THEN 'both'
        WHEN existing.tgrelid = to_regclass(%(parent)s) THEN 'presets'
        WHEN existing.tgrelid = to_regclass(%(child)s) THEN 'preset_usage'
        WHEN existing.tgrelid IN (SELECT relation FROM tree) THEN 'partition'
        ELSE 'elsewhere' END AS place,
    existing.tgenabled::text AS enabled,
    existing.tgtype::integer & 1 = 1 AS for_each_row,
    CASE existing.tgtype::integer & 66 WHEN 2 THEN 'BEFORE' WHEN 64 THEN 'INSTEAD OF' ELSE 'AFTER' END AS timing,
    array_remove(ARRAY[
        CASE WHEN existing.tgtype::integer & 4 = 4 THEN 'INSERT' END,
        CASE WHEN existing.tgtype::integer & 8 = 8 THEN 'DELETE' END,
        CASE WHEN existing.tgtype::integer & 16 = 16 THEN 'UPDATE' END,
        CASE WHEN existing.tgtype::integer & 32 = 32 THEN 'TRUNCATE' END], NULL) AS events,
    existing.tgfoid::bigint AS function,
    substring(
        pg_catalog.pg_get_triggerdef(existing.oid) FROM ' WHEN \((.*)\) EXECUTE (?:FUNCTION|PROCEDURE) '
    ) AS condition,
    existing.tgparentid <> 0 AS cloned,
    existing.tgconstraint <> 0 AS constrains,
    pg_catalog.pg_get_triggerdef(existing.oid) AS definition,
    ARRAY(
        SELECT format('ALTER TRIGGER "%%s" ON %%s DEPENDS ON EXTENSION %%I',
            replace(existing.tgname, '"', '""'), existing.tgrelid::regclass, extensions.extname)
        FROM pg_catalog.pg_depend AS needs
        JOIN pg_catalog.pg_extension AS extensions ON extensions.oid = needs.refobjid
        WHERE needs.classid = 'pg_trigger'::regclass AND needs.objid = existing.oid AND needs.deptype = 'x'
            AND needs.refclassid = 'pg_extension'::regclass
    ) AS needing
FROM pg_catalog.pg_trigger AS existing
WHERE (NOT existing.tgisinternal OR existing.tgparentid <> 0 AND existing.tgconstraint = 0) AND ( -- PostgreSQL 14
    existing.tgrelid IN (SELECT relation FROM tree) OR existing.tgrelid = to_regclass(%(parent)s)
    OR existing.tgfoid::bigint = ANY (%(functions)s::bigint[]))
ORDER BY place, on_table, name
