-- Why events of these two tables cannot be counted exactly, with what to do about it; no row if they can.
WITH RECURSIVE tree AS (
    SELECT to_regclass(%(child)s)::oid AS relation
    UNION ALL
    SELECT parents.inhrelid FROM pg_catalog.pg_inherits AS parents JOIN tree ON parents.inhparent = tree.relation
), counters AS (
    SELECT oid, relowner FROM pg_catalog.pg_class WHERE oid = to_regclass(%(parent)s)
), ours AS (
    SELECT to_regprocedure(%(auto_adjust)s)::oid AS oid, %(auto_adjust_name)s AS name,
        'trigger_' || %(auto_adjust_name)s || '%%' AS triggers
    UNION ALL
    SELECT to_regprocedure(%(auto_note)s), %(auto_note_name)s, 'trigger_' || %(auto_note_name)s || '%%'
    UNION ALL
    SELECT to_regprocedure(%(guard)s), %(guard_name)s, '%%trigger_' || %(guard_name)s || '%%'
)
SELECT format('a generated or identity column cannot be counted in: %%s',
        string_agg(format('%%s.%%s', attrelid::regclass, attname), ', ')) AS what,
    'Make it an ordinary column.' AS hint
FROM pg_catalog.pg_attribute
WHERE attrelid = (SELECT oid FROM counters) AND attname IN (%(column)s, COALESCE(%(last)s, ''))
    AND (attgenerated <> '' OR attidentity = 'a')
HAVING count(*) > 0
UNION ALL
SELECT format('%%s.%%s is not unique by itself: an event would count on each row of that key',
        counters.oid::regclass, array_to_string(%(keys)s::text[], ', ')),
    'Make it the primary key, or give it a unique index.'
FROM counters
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_index AS keys
    WHERE keys.indrelid = counters.oid AND keys.indisunique AND keys.indisvalid AND keys.indpred IS NULL
        AND NOT EXISTS (
            SELECT FROM generate_series(0, keys.indnkeyatts - 1) AS place
            LEFT JOIN pg_catalog.pg_attribute AS id ON id.attrelid = keys.indrelid AND id.attnum = keys.indkey[place]
            WHERE (id.attname = ANY (%(keys)s::name[]) AND keys.indcollation[place] = id.attcollation) IS NOT TRUE))
UNION ALL
SELECT format('%%s is a partition or child of %%s: what is written through that would not be counted',
        to_regclass(%(child)s), parents.inhparent::regclass), 'usagefix counts whole tables.'
FROM pg_catalog.pg_inherits AS parents WHERE parents.inhrelid = to_regclass(%(child)s)
UNION ALL
SELECT format('other tables inherit from %%s: %%s', children.inhparent::regclass,
        string_agg(children.inhrelid::regclass::text, ', ')),
    'Make them partitions, or ALTER TABLE ... NO INHERIT.'
FROM pg_catalog.pg_inherits AS children
JOIN pg_catalog.pg_class AS tables ON tables.oid = children.inhparent
WHERE tables.oid IN (to_regclass(%(child)s), to_regclass(%(parent)s)) AND tables.relkind = 'r'
GROUP BY children.inhparent
UNION ALL
SELECT format('%%s belongs to extension %%s: pg_dump would leave its triggers out', member.objid::regclass,
        extensions.extname),
    format('ALTER EXTENSION %%I DROP TABLE %%s', extensions.extname, member.objid::regclass)
FROM pg_catalog.pg_depend AS member
JOIN pg_catalog.pg_extension AS extensions ON extensions.oid = member.refobjid
WHERE member.classid = 'pg_class'::regclass AND member.deptype = 'e'
    AND member.objid IN (to_regclass(%(child)s), to_regclass(%(parent)s))
UNION ALL
SELECT format('partitions of %%s are foreign tables, which no trigger can count: %%s', to_regclass(%(child)s),
        string_agg(tables.oid::regclass::text, ', ')), 'Detach them first.'
FROM tree JOIN pg_catalog.pg_class AS tables ON tables.oid = tree.relation WHERE tables.relkind = 'f'
HAVING count(*) > 0
UNION ALL
SELECT format('another trigger calls %%s() too: %%s on %%s', ours.name, existing.tgname, existing.tgrelid::regclass),
    'Drop that trigger, then run this again.'
FROM ours
JOIN pg_catalog.pg_proc AS called ON called.oid = ours.oid
JOIN pg_catalog.pg_trigger AS existing ON existing.tgfoid = ours.oid AND existing.tgparentid = 0
WHERE existing.tgname NOT LIKE ours.triggers -- on other tables they do nothing
    -- apply disables one that counts or guards by a function of usagefix.
    AND CASE WHEN strpos(called.prosrc, 'usagefix') = 0 OR ours.name = %(auto_note_name)s
        THEN existing.tgrelid IN (SELECT oid FROM counters UNION ALL SELECT relation FROM tree)
        ELSE existing.tgenabled <> 'D' AND existing.tgrelid NOT IN (SELECT oid FROM counters)
            AND pg_partition_root(existing.tgrelid) = (SELECT oid FROM counters) END
