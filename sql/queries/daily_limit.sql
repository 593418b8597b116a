-- The daily limit as it is in the database now: the unique index that lets one person use a preset once a day, whatever
-- its name. No row where it is gone.
SELECT daily.indexrelid::regclass::text AS name, daily.indisvalid AS valid
FROM pg_catalog.pg_index AS daily
WHERE daily.indrelid = to_regclass(%(child)s) AND daily.indisunique AND NOT daily.indisprimary
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS made
        WHERE made.conindid = daily.indexrelid AND made.contype IN ('p', 'u', 'x'))
    AND (daily.indexrelid = to_regclass(%(daily)s) OR (
            -- A generated day is one of the time of the use.
            SELECT bool_and((columns.attname IN (%(foreign_key)s, %(user)s, %(kind)s, %(time)s, 'used_at')) IS TRUE
                    OR columns.attgenerated <> '' AND columns.atttypid = 'date'::regtype)
                AND bool_or(columns.attname = %(foreign_key)s)
                AND bool_or((columns.attname IN (%(time)s, 'used_at')) IS TRUE OR columns.attgenerated <> '')
            FROM pg_catalog.pg_attribute AS columns
            WHERE columns.attrelid = daily.indrelid AND columns.attnum > 0 AND (
                columns.attnum = ANY (daily.indkey) OR EXISTS (
                    SELECT FROM pg_catalog.pg_depend AS named
                    WHERE named.classid = 'pg_class'::regclass AND named.objid = daily.indexrelid
                        AND named.refclassid = 'pg_class'::regclass AND named.refobjid = daily.indrelid
                        AND named.refobjsubid = columns.attnum))
        ) AND (
            pg_catalog.pg_get_indexdef(daily.indexrelid) ~ 'date_trunc\(''day''' OR EXISTS (
                SELECT FROM pg_catalog.pg_attribute AS keys
                WHERE keys.attrelid = daily.indexrelid AND keys.attnum <= daily.indnkeyatts
                    AND keys.atttypid = 'date'::regtype)))
ORDER BY daily.indexrelid = to_regclass(%(daily)s) DESC, daily.indexrelid
LIMIT 1
