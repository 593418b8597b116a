-- What the functions of usagefix do as the owner of presets, and that role may not do: a row for each missing
-- right, with its GRANT. refusals.sql has the rights on presets itself. The ledger, and what bodies call, only where
-- that role owns the functions. Parameters: reads (columns of events that are read), whole (all are), uppers (tables
-- whose counters add this one up, as SQL writes them).
WITH RECURSIVE counters AS (
    SELECT oid, relowner AS owner, quote_ident(pg_catalog.pg_get_userbyid(relowner)) AS role
    FROM pg_catalog.pg_class WHERE oid = to_regclass(%(parent)s)
), tree AS (
    SELECT to_regclass(%(child)s)::oid AS relation, true AS root
    UNION ALL
    SELECT parents.inhrelid, false
    FROM pg_catalog.pg_inherits AS parents JOIN tree ON parents.inhparent = tree.relation
), of_parent AS (
    SELECT to_regclass(%(parent)s)::oid AS relation
    UNION ALL
    SELECT parents.inhrelid
    FROM pg_catalog.pg_inherits AS parents JOIN of_parent ON parents.inhparent = of_parent.relation
), uppers AS (
    SELECT to_regclass(name)::oid AS relation FROM unnest(%(uppers)s::text[]) AS name
), ours AS (
    SELECT functions.prosrc AS body
    FROM counters JOIN pg_catalog.pg_proc AS functions ON functions.proowner = counters.owner
    WHERE functions.oid IN (to_regprocedure(%(auto_increment)s), to_regprocedure(%(auto_adjust)s),
        to_regprocedure(%(auto_count_row)s), to_regprocedure(%(guard)s))
), code AS (
    SELECT format('constraint %%I', conname) AS name, conbin::text AS parsed FROM pg_catalog.pg_constraint AS made
    WHERE contype = 'c' AND (conrelid IN (SELECT relation FROM of_parent) OR contypid IN (
            SELECT atttypid FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass(%(parent)s) AND attname IN (%(column)s, COALESCE(%(last)s, ''))))
        AND to_jsonb(made) ->> 'conenforced' IS DISTINCT FROM 'false'
    UNION ALL
    SELECT format('column %%I', columns.attname), made.adbin::text
    FROM of_parent
    JOIN pg_catalog.pg_attribute AS columns ON columns.attrelid = of_parent.relation
    JOIN pg_catalog.pg_attrdef AS made ON made.adrelid = columns.attrelid AND made.adnum = columns.attnum
    WHERE columns.attgenerated = 's' OR %(creates)s AND columns.attgenerated = ''
    UNION ALL
    SELECT format('index %%s', indexrelid::regclass), concat(indexprs::text, indpred::text)
    FROM of_parent JOIN pg_catalog.pg_index ON indrelid = of_parent.relation
    UNION ALL
    SELECT format('trigger %%I', tgname), tgqual::text
    FROM of_parent JOIN pg_catalog.pg_trigger ON tgrelid = of_parent.relation
    WHERE tgtype::integer & 16 = 16 AND tgenabled IN ('O', 'A')
), called AS (
    SELECT functions.oid AS function, functions.proname, code.name AS by
    FROM code
    CROSS JOIN LATERAL regexp_matches(code.parsed, ':(?:op)?funcid (\d+)', 'g') AS found (call)
    JOIN pg_catalog.pg_proc AS functions ON functions.oid = found.call[1]::oid
    UNION
    SELECT functions.oid, functions.proname, 'a function of usagefix'
    FROM pg_catalog.pg_proc AS functions
    JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = functions.pronamespace
    JOIN ours ON CASE schemas.nspname WHEN 'pg_catalog' THEN ours.body ~ concat('\m', functions.proname, '\s*\(')
        ELSE strpos(ours.body, format('%%I.%%I(', schemas.nspname, functions.proname)) > 0 END
    WHERE functions.proacl IS NOT NULL AND functions.prorettype <> 'trigger'::regtype
), needed AS (
    -- Every function looks up the table of events, so its schema matters to each use.
    SELECT DISTINCT 'SCHEMA' AS kind, tables.relnamespace AS object, 'USAGE' AS privilege,
        'the counting functions look up tables there' AS why
    FROM pg_catalog.pg_class AS tables
    WHERE tables.oid IN (SELECT relation FROM tree UNION ALL SELECT relation FROM uppers)
    UNION ALL
    SELECT DISTINCT 'TABLE', tree.relation, 'SELECT', CASE WHEN tree.root
        THEN 'so a new row of ' || %(parent_name)s::text || ' is refused, and one whose key changes'
        ELSE 'so TRUNCATE of this partition is refused' END
    FROM tree
    JOIN pg_catalog.pg_class AS tables ON tables.oid = tree.relation
    WHERE tree.root OR tables.relkind = 'r'
    UNION ALL
    SELECT 'TABLE', uppers.relation, rights.privilege, 'where rows are locked before each count'
    FROM uppers CROSS JOIN (VALUES ('SELECT'), ('UPDATE')) AS rights (privilege)
    UNION ALL
    SELECT 'TABLE', counters.oid, 'INSERT', 'where counting makes rows' FROM counters WHERE %(creates)s
    UNION ALL
    SELECT 'SEQUENCE', made.refobjid, 'USAGE', 'which gives new rows a value'
    FROM counters
    JOIN pg_catalog.pg_attrdef AS defaults ON defaults.adrelid = counters.oid
    JOIN pg_catalog.pg_depend AS made ON made.classid = 'pg_attrdef'::regclass AND made.objid = defaults.oid
        AND made.refclassid = 'pg_class'::regclass
    JOIN pg_catalog.pg_class AS sequences ON sequences.oid = made.refobjid AND sequences.relkind = 'S'
    WHERE %(creates)s
    UNION ALL
    SELECT 'FUNCTION', called.function, 'EXECUTE', format('which %%s calls for a count', string_agg(called.by, ', '))
    FROM called GROUP BY called.function
    UNION ALL
    SELECT 'TABLE', tables.oid, 'SELECT', 'which functions of usagefix read'
    FROM pg_catalog.pg_class AS tables
    WHERE tables.relnamespace = 'pg_catalog'::regnamespace AND tables.relacl IS NOT NULL
        AND EXISTS (SELECT FROM ours WHERE ours.body ~ concat('\m', tables.relname, '\M'))
    UNION ALL
    -- The ledger, where the functions go on to write there: the owner of presets trusts it, and has one right already.
    SELECT CASE WHEN tables.relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, tables.oid, parts.privilege,
        'which the functions of usagefix use'
    FROM (
        VALUES ('held_at_zero', 'INSERT', 'held_at_zero', 'INSERT, SELECT'),
            ('baselines', 'SELECT', 'baselines', 'UPDATE'), ('baselines', 'DELETE', 'baselines', 'UPDATE'),
            ('refused_writes', 'SELECT', 'refused_writes', 'UPDATE'),
            ('refused_writes', 'INSERT', 'refused_writes', 'UPDATE'),
            (%(rejected)s, 'USAGE', 'refused_writes', 'UPDATE'), (%(unnoted)s, 'USAGE', 'refused_writes', 'UPDATE')
    ) AS parts (name, privilege, gate, opens)
    CROSS JOIN counters
    JOIN pg_catalog.pg_namespace AS ledger ON ledger.nspname = 'usagefix'
    JOIN pg_catalog.pg_class AS tables ON tables.relnamespace = ledger.oid AND tables.relname = parts.name
    JOIN pg_catalog.pg_class AS gates ON gates.relnamespace = ledger.oid AND gates.relname = parts.gate
    WHERE (SELECT count(*) FROM ours) > 0 AND has_schema_privilege(counters.owner, ledger.oid, 'USAGE')
        AND pg_has_role(ledger.nspowner, counters.owner, 'MEMBER')
        AND pg_has_role(gates.relowner, counters.owner, 'MEMBER')
        AND has_table_privilege(counters.owner, gates.oid, parts.opens)
), lacked AS (
    SELECT counters.role, needed.*, CASE needed.kind WHEN 'SCHEMA' THEN (
            SELECT quote_ident(nspname) FROM pg_catalog.pg_namespace WHERE oid = needed.object)
        WHEN 'FUNCTION' THEN needed.object::regprocedure::text ELSE needed.object::regclass::text END AS name
    FROM counters CROSS JOIN needed
    WHERE CASE needed.kind
        WHEN 'SCHEMA' THEN NOT has_schema_privilege(counters.owner, needed.object, needed.privilege)
        WHEN 'FUNCTION' THEN NOT has_function_privilege(counters.owner, needed.object, needed.privilege)
        WHEN 'SEQUENCE' THEN NOT has_sequence_privilege(counters.owner, needed.object, 'USAGE, UPDATE')
        ELSE NOT has_table_privilege(counters.owner, needed.object, needed.privilege) AND NOT (
            needed.object IN (SELECT relation FROM tree) AND needed.privilege = 'SELECT' AND NOT %(whole)s AND (
                SELECT COALESCE(bool_and(has_column_privilege(counters.owner, needed.object, attnum, 'SELECT')), false)
                FROM pg_catalog.pg_attribute
                WHERE attrelid = needed.object AND attnum > 0 AND NOT attisdropped
                    AND attname = ANY (%(reads)s::name[])))
        END
)
SELECT format('%%s, who owns %%s, lacks %%s on %%s %%s, %%s', role, to_regclass(%(parent)s),
        string_agg(privilege, ', ' ORDER BY privilege), lower(kind), name, why) AS what,
    format('GRANT %%s ON %%s %%s TO %%s', string_agg(privilege, ', ' ORDER BY privilege), kind, name, role) AS hint
FROM lacked GROUP BY role, kind, name, why
UNION ALL
-- A foreign key lets no preset come to events that exist already.
SELECT format('row level security hides rows of %%s from %%s, who owns %%s, so a new row there, and one whose key'
        ' changes, may start with too few', tables.oid::regclass, counters.role, counters.oid::regclass),
    format('ALTER ROLE %%s BYPASSRLS', counters.role)
FROM counters
JOIN pg_catalog.pg_class AS tables ON tables.oid = to_regclass(%(child)s)
JOIN pg_catalog.pg_roles AS roles ON roles.oid = counters.owner
WHERE tables.oid <> counters.oid AND tables.relrowsecurity AND NOT (roles.rolsuper OR roles.rolbypassrls)
    AND (tables.relforcerowsecurity OR NOT pg_has_role(counters.owner, tables.relowner, 'USAGE'))
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS keys
        WHERE keys.contype = 'f' AND keys.conrelid = tables.oid AND keys.confrelid = counters.oid)
UNION ALL
-- A function that records uses with the rights of its owner.
SELECT format('%%s runs as %%I, who may not insert into %%s', recorders.oid::regprocedure,
        pg_catalog.pg_get_userbyid(recorders.proowner), tables.oid::regclass),
    format('GRANT SELECT, INSERT ON TABLE %%s TO %%I', tables.oid::regclass,
        pg_catalog.pg_get_userbyid(recorders.proowner))
FROM pg_catalog.pg_proc AS recorders
JOIN pg_catalog.pg_class AS tables ON tables.oid = to_regclass(%(child)s)
CROSS JOIN LATERAL regexp_replace(
    regexp_replace(lower(recorders.prosrc), '[("\s]+', ' ', 'g'), ' ?\. ?', '.', 'g') AS found (body)
WHERE recorders.pronamespace = to_regnamespace(%(schema_sql)s) AND recorders.proname = %(recorder)s
    AND recorders.prokind = 'f' AND recorders.prosecdef
    AND (strpos(body, concat('insert into ', lower(%(child_name)s), ' ')) > 0
        OR strpos(body, concat('insert into ', lower(COALESCE(%(child_schema)s, %(schema)s)), '.',
            lower(%(child_name)s), ' ')) > 0)
    AND NOT has_any_column_privilege(recorders.proowner, tables.oid, 'INSERT')
