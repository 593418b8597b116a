-- What may refuse what the functions of usagefix write to the ledger, and with that the use. No row if nothing would.
-- A view, a type of somebody's, and an index on an expression are refused before anything is read (session.sql).
WITH counters AS (
    SELECT tables.relowner, owners.rolsuper OR owners.rolbypassrls AS exempt
    FROM pg_catalog.pg_class AS tables JOIN pg_catalog.pg_roles AS owners ON owners.oid = tables.relowner
    WHERE tables.oid = to_regclass(%(parent)s)
), parts AS (
    SELECT tables.oid, tables.relname, tables.relrowsecurity AND NOT counters.exempt AND (tables.relforcerowsecurity
            OR NOT pg_has_role(counters.relowner, tables.relowner, 'USAGE')) AS secured
    FROM pg_catalog.pg_class AS tables
    JOIN pg_catalog.pg_namespace AS ledger ON ledger.oid = tables.relnamespace
    CROSS JOIN counters
    WHERE ledger.nspname = 'usagefix' AND tables.relname IN ('baselines', 'held_at_zero', 'refused_writes')
        AND pg_has_role(ledger.nspowner, counters.relowner, 'MEMBER') -- otherwise they write nothing there
        AND pg_has_role(tables.relowner, counters.relowner, 'MEMBER')
), made (relname, name, definition) AS (
    VALUES ('baselines', 'counter', 'text'), ('baselines', 'row_key', 'text'), ('baselines', 'baseline', 'numeric'),
        ('baselines', 'run', 'bigint'),
        ('held_at_zero', 'entry', 'bigint GENERATED ALWAYS AS IDENTITY'), ('held_at_zero', 'counter', 'text'),
        ('held_at_zero', 'at', 'timestamp with time zone DEFAULT clock_timestamp()'),
        ('refused_writes', 'entry', 'bigint GENERATED ALWAYS AS IDENTITY'), ('refused_writes', 'counter', 'text'),
        ('refused_writes', 'mode', 'text'), ('refused_writes', 'role', 'text'),
        ('refused_writes', 'application', 'text'), ('refused_writes', 'via', 'text'),
        ('refused_writes', 'first_at', 'timestamp with time zone DEFAULT clock_timestamp()'),
        ('refused_writes', 'last_at', 'timestamp with time zone DEFAULT clock_timestamp()'),
        ('refused_writes', 'writes', 'bigint DEFAULT 1'), ('refused_writes', 'in_transaction', 'text'),
        ('refused_writes', 'at_once', 'integer DEFAULT 1')
), columns AS (
    SELECT parts.oid, attributes.attname AS name, attributes.attnotnull OR attributes.atthasdef AS filled,
        concat_ws(' ', pg_catalog.format_type(attributes.atttypid, attributes.atttypmod),
        CASE WHEN attributes.attidentity <> '' THEN 'GENERATED ALWAYS AS IDENTITY'
            WHEN attributes.attgenerated <> '' THEN 'GENERATED'
            WHEN attributes.atthasdef THEN concat('DEFAULT ', pg_catalog.pg_get_expr(filled.adbin, filled.adrelid))
        END) AS definition
    FROM parts
    JOIN pg_catalog.pg_attribute AS attributes ON attributes.attrelid = parts.oid
    LEFT JOIN pg_catalog.pg_attrdef AS filled
        ON filled.adrelid = attributes.attrelid AND filled.adnum = attributes.attnum
    WHERE attributes.attnum > 0 AND NOT attributes.attisdropped
)
SELECT format('%%s of the ledger may refuse what the triggers write there', altered.what) AS what,
    format('%%s, then run this again', altered.remedy) AS hint
FROM (
    SELECT format('row level security on %%s', oid::regclass),
        format('ALTER TABLE %%s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', oid::regclass)
    FROM parts WHERE secured
    UNION ALL
    SELECT format('trigger %%I on %%s', acting.tgname, parts.oid::regclass),
        format('DROP TRIGGER %%I ON %%s', acting.tgname, parts.oid::regclass)
    FROM parts JOIN pg_catalog.pg_trigger AS acting ON acting.tgrelid = parts.oid
    WHERE NOT acting.tgisinternal AND acting.tgenabled IN ('O', 'A')
    UNION ALL
    SELECT format('rule %%I on %%s', acting.rulename, parts.oid::regclass),
        format('DROP RULE %%I ON %%s', acting.rulename, parts.oid::regclass)
    FROM parts JOIN pg_catalog.pg_rewrite AS acting ON acting.ev_class = parts.oid
    WHERE acting.ev_enabled IN ('O', 'A')
    UNION ALL
    SELECT format('constraint %%I on %%s', limits.conname, limits.conrelid::regclass),
        format('ALTER TABLE %%s DROP CONSTRAINT %%I', limits.conrelid::regclass, limits.conname)
    FROM parts JOIN pg_catalog.pg_constraint AS limits ON parts.oid IN (limits.conrelid, limits.confrelid)
    WHERE limits.contype IN ('c', 'f', 'u', 'x') OR limits.contype = 'p'
        AND pg_catalog.pg_get_constraintdef(limits.oid) NOT IN ('PRIMARY KEY (entry)', 'PRIMARY KEY (counter, row_key)')
    UNION ALL
    SELECT format('index %%s', indexes.indexrelid::regclass), format('DROP INDEX %%s', indexes.indexrelid::regclass)
    FROM parts JOIN pg_catalog.pg_index AS indexes ON indexes.indrelid = parts.oid
    WHERE indexes.indisunique AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS limits WHERE limits.conindid = indexes.indexrelid)
    UNION ALL
    SELECT format('column %%I of %%s', columns.name, columns.oid::regclass),
        format('ALTER TABLE %%s DROP COLUMN %%I', columns.oid::regclass, columns.name)
    FROM columns JOIN parts ON parts.oid = columns.oid
    WHERE columns.filled AND NOT EXISTS (
        SELECT FROM made WHERE made.relname = parts.relname AND made.name = columns.name)
    UNION ALL
    SELECT format('column %%I of %%s, %%s', made.name, parts.oid::regclass,
            COALESCE('now ' || columns.definition, 'which is gone')),
        format('give %%s its column %%I back as apply made it: %%s', parts.oid::regclass, made.name, made.definition)
    FROM parts JOIN made ON made.relname = parts.relname
    LEFT JOIN columns ON columns.oid = parts.oid AND columns.name = made.name
    WHERE columns.definition IS DISTINCT FROM made.definition
) AS altered (what, remedy)
ORDER BY what
