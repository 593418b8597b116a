-- The daily limits: unique indexes that let one person use a preset once a day, whatever their names. Their columns are
-- the preset, a day of the time of the use, and at most the person and the kind of use. extras: statements that
-- complete the definition; identifies: replication identifies events by it. The usual name comes first.
WITH limits AS (
    SELECT daily.*, indexes.relname, indexes.relkind, indexes.reltablespace
    FROM pg_catalog.pg_index AS daily
    JOIN pg_catalog.pg_class AS indexes ON indexes.oid = daily.indexrelid
    CROSS JOIN LATERAL (
        -- A generated day is a day of the time of the use.
        SELECT bool_and(columns.attname IN (
                    %(foreign_key)s, COALESCE(%(user)s, ''), COALESCE(%(kind)s, ''), COALESCE(%(time)s, ''))
                OR columns.attgenerated <> '' AND columns.atttypid = 'date'::regtype)
            AND bool_or(columns.attname = %(foreign_key)s)
            AND bool_or(columns.attname = COALESCE(%(time)s, '') OR columns.attgenerated <> '') AS fits
        FROM pg_catalog.pg_attribute AS columns
        WHERE columns.attrelid = daily.indrelid AND columns.attnum > 0 AND (
            columns.attnum = ANY (daily.indkey) OR EXISTS (
                SELECT FROM pg_catalog.pg_depend AS named
                WHERE named.classid = 'pg_class'::regclass AND named.objid = daily.indexrelid
                    AND named.refclassid = 'pg_class'::regclass AND named.refobjid = daily.indrelid
                    AND named.refobjsubid = columns.attnum))
    ) AS columns
    WHERE daily.indrelid = to_regclass(%(child)s) AND daily.indisunique AND NOT daily.indisprimary AND (
        daily.indexrelid = to_regclass(%(daily)s) OR columns.fits AND (
            pg_catalog.pg_get_indexdef(daily.indexrelid) LIKE '%%date_trunc(''day''%%' OR EXISTS (
                SELECT FROM pg_catalog.pg_attribute AS keys
                WHERE keys.attrelid = daily.indexrelid AND keys.attnum <= daily.indnkeyatts
                    AND keys.atttypid = 'date'::regtype)))
)
SELECT
    limits.indexrelid::regclass::text AS name,
    limits.indisvalid AS valid,
    limits.relkind = 'I' AS partitioned,
    made.conname::text AS constraint_name,
    EXISTS (
        SELECT FROM pg_catalog.pg_depend AS needs
        WHERE needs.refobjid = limits.indexrelid AND needs.classid = 'pg_constraint'::regclass AND needs.deptype = 'n'
    ) AS referred_to,
    limits.indisreplident AND (
        EXISTS (SELECT FROM pg_catalog.pg_publication_tables
            WHERE (schemaname, tablename) = (%(schema)s, %(child_name)s))
        OR EXISTS (SELECT FROM pg_catalog.pg_replication_slots
            WHERE slot_type = 'logical' AND database = current_database())) AS identifies,
    -- The server omits the tablespace.
    pg_catalog.concat(left(texts.definition, length(texts.definition) - length(texts.condition)),
        (SELECT format(' TABLESPACE %%I', spcname) FROM pg_catalog.pg_tablespace
         WHERE oid = limits.reltablespace OR current_setting('default_tablespace') <> '' AND limits.reltablespace = 0
             AND oid = (SELECT dattablespace FROM pg_catalog.pg_database WHERE datname = current_database())),
        texts.condition) AS definition,
    ARRAY(
        SELECT pg_catalog.pg_get_indexdef(limits.indexrelid, n, true) FROM generate_series(1, limits.indnkeyatts) AS n
    ) AS key_columns,
    ARRAY(
        SELECT DISTINCT attributes.attname::text
        FROM pg_catalog.pg_depend AS dependency
        JOIN pg_catalog.pg_attribute AS attributes
            ON attributes.attrelid = limits.indrelid AND attributes.attnum = dependency.refobjsubid
        WHERE dependency.classid = 'pg_class'::regclass AND dependency.objid = limits.indexrelid
            AND dependency.refclassid = 'pg_class'::regclass AND dependency.refobjid = limits.indrelid
    ) AS key_attributes,
    pg_catalog.pg_get_expr(limits.indpred, limits.indrelid) AS predicate,
    ARRAY(
        SELECT format('COMMENT ON INDEX %%s IS %%L', limits.indexrelid::regclass, said.comment)
        FROM pg_catalog.obj_description(limits.indexrelid, 'pg_class') AS said (comment) WHERE said.comment IS NOT NULL
        UNION ALL
        SELECT format('ALTER INDEX %%s ALTER COLUMN %%s SET STATISTICS %%s',
            limits.indexrelid::regclass, attnum, attstattarget)
        FROM pg_catalog.pg_attribute WHERE attrelid = limits.indexrelid AND attstattarget >= 0
        UNION ALL
        SELECT format('ALTER INDEX %%s DEPENDS ON EXTENSION %%I', limits.indexrelid::regclass, extensions.extname)
        FROM pg_catalog.pg_depend AS needs
        JOIN pg_catalog.pg_extension AS extensions ON extensions.oid = needs.refobjid
        WHERE needs.classid = 'pg_class'::regclass AND needs.objid = limits.indexrelid AND needs.deptype = 'x'
            AND needs.refclassid = 'pg_extension'::regclass
        UNION ALL
        SELECT format('ALTER TABLE %%s REPLICA IDENTITY USING INDEX %%I', limits.indrelid::regclass, limits.relname)
        WHERE limits.indisreplident
        UNION ALL
        SELECT format('ALTER TABLE %%s CLUSTER ON %%I', limits.indrelid::regclass, limits.relname)
        WHERE limits.indisclustered
    ) AS extras
FROM limits
CROSS JOIN LATERAL (
    SELECT pg_catalog.pg_get_indexdef(limits.indexrelid) AS definition,
        COALESCE(' WHERE ' || pg_catalog.pg_get_expr(limits.indpred, limits.indrelid), '') AS condition
) AS texts
LEFT JOIN pg_catalog.pg_constraint AS made ON made.conindid = limits.indexrelid AND made.contype IN ('p', 'u', 'x')
ORDER BY limits.indexrelid = to_regclass(%(daily)s) DESC, limits.indexrelid
