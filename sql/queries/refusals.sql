-- What would refuse or change a count, because each use is now an UPDATE of presets. No row if nothing would.
WITH counters AS (
    SELECT oid, relowner, oid::regclass AS name FROM pg_catalog.pg_class WHERE oid = to_regclass(%(parent)s)
), counted AS (
    SELECT attnum, attname FROM pg_catalog.pg_attribute
    WHERE attrelid = (SELECT oid FROM counters) AND attname IN (%(column)s, COALESCE(%(last)s, ''))
)
SELECT format('rule %%I on %%s makes something else of each count', rules.rulename, counters.name) AS what,
    format('DROP RULE %%I ON %%s (a trigger can do the same), then run this again', rules.rulename, counters.name)
        AS hint
FROM pg_catalog.pg_rewrite AS rules JOIN counters ON counters.oid = rules.ev_class
WHERE rules.ev_type = '2' AND rules.ev_enabled <> 'D'
UNION ALL
-- A rule that forbids (DO INSTEAD NOTHING), or writes a note elsewhere, changes no count.
SELECT format('rule %%I on %%s may count, too, or lead events elsewhere', rules.rulename, rules.ev_class::regclass),
    format('DROP RULE %%I ON %%s (a trigger can do the same), then run this again',
        rules.rulename, rules.ev_class::regclass)
FROM pg_catalog.pg_rewrite AS rules
WHERE rules.ev_class = to_regclass(%(child)s) AND rules.ev_type <> '1' AND rules.ev_enabled <> 'D'
    AND pg_catalog.pg_get_ruledef(rules.oid) NOT LIKE '%%DO INSTEAD NOTHING;'
    AND (rules.is_instead OR EXISTS (
        SELECT FROM pg_catalog.pg_depend AS used
        WHERE used.classid = 'pg_rewrite'::regclass AND used.objid = rules.oid
            AND (used.refclassid = 'pg_proc'::regclass OR used.refobjid = (SELECT oid FROM counters))))
UNION ALL
SELECT format('%%I, who owns %%s, may not SELECT its column %%I', pg_catalog.pg_get_userbyid(counters.relowner),
        counters.name, columns.attname),
    format('GRANT SELECT (%%I) ON %%s TO %%I', columns.attname, counters.name,
        pg_catalog.pg_get_userbyid(counters.relowner))
FROM counters
JOIN pg_catalog.pg_attribute AS columns ON columns.attrelid = counters.oid
    AND columns.attname IN (%(key)s, %(column)s, COALESCE(%(last)s, ''))
WHERE NOT has_column_privilege(counters.relowner, counters.oid, columns.attnum, 'SELECT')
UNION ALL
-- With a right on columns alone, the functions leave without counting.
SELECT format('%%I, who owns %%s, may not UPDATE it', pg_catalog.pg_get_userbyid(counters.relowner), counters.name),
    format('GRANT UPDATE ON %%s TO %%I', counters.name, pg_catalog.pg_get_userbyid(counters.relowner))
FROM counters WHERE NOT has_table_privilege(counters.relowner, counters.oid, 'UPDATE')
UNION ALL
SELECT format('%%I, who owns %%s, may not use its schema', pg_catalog.pg_get_userbyid(counters.relowner),
        counters.name),
    format('GRANT USAGE ON SCHEMA %%s TO %%I', %(schema_sql)s::text, pg_catalog.pg_get_userbyid(counters.relowner))
FROM counters
WHERE NOT has_schema_privilege(counters.relowner, to_regnamespace(%(schema_sql)s)::oid, 'USAGE')
UNION ALL
SELECT format('index %%s allows a counter only once: two presets that were used as often would refuse a use',
        indexes.indexrelid::regclass),
    format('drop it, or make it not unique: %%s', pg_catalog.pg_get_indexdef(indexes.indexrelid))
FROM pg_catalog.pg_index AS indexes JOIN counters ON counters.oid = indexes.indrelid
WHERE (indexes.indisunique OR indexes.indisexclusion) AND EXISTS (
        SELECT FROM pg_catalog.pg_depend AS named JOIN counted ON counted.attnum = named.refobjsubid
        WHERE named.refobjid = counters.oid
            AND (named.objid = indexes.indexrelid OR named.objid IN (
                SELECT oid FROM pg_catalog.pg_constraint WHERE conindid = indexes.indexrelid))
            AND counted.attnum <> ALL ((indexes.indkey::int2[])[indexes.indnkeyatts : indexes.indnatts - 1]))
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS keys
        WHERE keys.attrelid = counters.oid AND keys.attname = %(key)s
            AND keys.attnum = ANY ((indexes.indkey::int2[])[0 : indexes.indnkeyatts - 1]))
UNION ALL
SELECT format('foreign key %%I of %%s is about the counter, which changes with each use', made.conname,
        made.conrelid::regclass),
    format('ALTER TABLE %%s DROP CONSTRAINT %%I', made.conrelid::regclass, made.conname)
FROM pg_catalog.pg_constraint AS made JOIN counters ON counters.oid IN (made.conrelid, made.confrelid)
WHERE made.contype = 'f' AND made.conparentid = 0 AND EXISTS (
    SELECT FROM counted WHERE counted.attnum = ANY (CASE made.conrelid WHEN counters.oid THEN made.conkey END)
        OR counted.attnum = ANY (CASE made.confrelid WHEN counters.oid THEN made.confkey END))
