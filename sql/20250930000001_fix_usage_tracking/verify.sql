-- Is it right now? Reads only; locks nothing.
--
--   psql "$DATABASE_URL" -f verify.sql
--
-- Four tables: the checks of the catalog, the checks of the counters, the totals, and the presets to look at. Each
-- statement sees both sides of a counter in one snapshot, so people using the application raise no false alarm.
-- Connect as the owner of the tables, or row level security hides rows from you (the check counters_accurate says so).

-- Objects
WITH RECURSIVE tree AS (
    SELECT to_regclass('public.preset_usage')::oid AS relation, 0 AS level
    UNION ALL
    SELECT parents.inhrelid, tree.level + 1 FROM pg_catalog.pg_inherits AS parents JOIN tree ON parents.inhparent = tree.relation
), partitions AS (
    -- Counted once: by a trigger of its own, or row by row by the trigger that PostgreSQL gives to later partitions.
    SELECT count(*) AS present, count(*) FILTER (WHERE own + by_row = 0) AS uncounted, count(*) FILTER (WHERE own + by_row > 1) AS twice,
        count(*) FILTER (WHERE own = 0 AND by_row = 1) AS by_row,
        string_agg(relation::regclass::text, ', ' ORDER BY relation::regclass::text) FILTER (WHERE own + by_row <> 1) AS names
    FROM (
        SELECT tree.relation,
            count(*) FILTER (WHERE existing.tgname = 'trigger_auto_increment_preset_usage_count' AND existing.tgtype = 4
                AND existing.tgnewtable = 'new_events' AND existing.tgqual IS NULL) AS own,
            count(*) FILTER (WHERE existing.tgname = 'trigger_auto_increment_preset_usage_count_row' AND tables.relkind = 'r') AS by_row
        FROM tree
        JOIN pg_catalog.pg_class AS tables ON tables.oid = tree.relation
        LEFT JOIN pg_catalog.pg_trigger AS existing
            ON existing.tgrelid = tree.relation AND existing.tgenabled IN ('O', 'A')
            AND existing.tgfoid = to_regprocedure('public.auto_increment_preset_usage_count()')
        WHERE tree.level > 0
        GROUP BY tree.relation
    ) AS each
), counting_trigger AS (
    SELECT existing.*
    FROM pg_catalog.pg_trigger AS existing
    WHERE existing.tgrelid = to_regclass('public.preset_usage')
        AND existing.tgname = 'trigger_auto_increment_preset_usage_count'
), counting_function AS (
    SELECT proc.*, proc.proowner <> presets.relowner AS misowned, presets.relforcerowsecurity AND NOT (owners.rolsuper OR owners.rolbypassrls) AS blocked_by_rls,
        presets.relrowsecurity AND NOT (owners.rolsuper OR owners.rolbypassrls)
            AND NOT pg_has_role(proc.proowner, presets.relowner, 'USAGE') AS hidden_by_rls,
        EXISTS (
            SELECT FROM aclexplode(COALESCE(proc.proacl, acldefault('f', proc.proowner))) AS granted
            WHERE granted.grantee <> proc.proowner
        ) AS open_to_others
    FROM pg_catalog.pg_proc AS proc
    JOIN pg_catalog.pg_roles AS owners ON owners.oid = proc.proowner
    LEFT JOIN pg_catalog.pg_class AS presets ON presets.oid = to_regclass('public.presets')
    WHERE proc.oid = to_regprocedure('public.auto_increment_preset_usage_count()')
), daily_limit AS (
    -- A unique index that lets one person use a preset once a day, whatever its name.
    SELECT daily.indexrelid, made.conname
    FROM pg_catalog.pg_index AS daily
    LEFT JOIN pg_catalog.pg_constraint AS made ON made.conindid = daily.indexrelid AND made.contype = 'u'
    WHERE daily.indrelid = to_regclass('public.preset_usage') AND daily.indisunique AND NOT daily.indisprimary
        AND (daily.indexrelid = to_regclass('public.idx_preset_usage_daily_unique') OR (
            -- A generated day is one of the time of the use.
            SELECT bool_and(columns.attname IN ('preset_id', 'user_id', 'usage_type', 'created_at', 'used_at')
                    OR columns.attgenerated <> '' AND columns.atttypid = 'date'::regtype)
                AND bool_or(columns.attname = 'preset_id') AND bool_or(columns.attname IN ('created_at', 'used_at') OR columns.attgenerated <> '')
            FROM pg_catalog.pg_attribute AS columns
            WHERE columns.attrelid = daily.indrelid AND columns.attnum > 0 AND (columns.attnum = ANY (daily.indkey) OR EXISTS (
                SELECT FROM pg_catalog.pg_depend AS named
                WHERE named.classid = 'pg_class'::regclass AND named.objid = daily.indexrelid
                    AND named.refclassid = 'pg_class'::regclass AND named.refobjid = daily.indrelid
                    AND named.refobjsubid = columns.attnum))
        ) AND (
            pg_get_indexdef(daily.indexrelid) ~ 'date_trunc\(''day''' OR EXISTS (
                SELECT FROM pg_catalog.pg_attribute AS keys
                WHERE keys.attrelid = daily.indexrelid AND keys.attnum <= daily.indnkeyatts AND keys.atttypid = 'date'::regtype)))
    ORDER BY daily.indexrelid LIMIT 1
), patterns AS (
    -- Statements on the tables of this schema, or named without one.
    SELECT '\mupdate\s+(?:only\s+)?' || here || '"?presets"?(?![\w"$])(?:\s+(?:as\s+)?(?!set\M)\w+)?\s+set\s+'
            '(?:(?:(?!\mwhere\M)[^();]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*,\s*)?(?:"?usage_count"?|\([^()]*\musage_count\M[^()]*\))\s*=' AS sets,
        '\minsert\s+into\s+' || here || '"?preset_usage"?(?![\w"$])' AS inserts
    FROM (
        SELECT '(?:"?' || nspname || '"?\s*\.\s*)?' AS here FROM pg_catalog.pg_namespace WHERE oid = to_regnamespace('public')
    ) AS schemas
), functions AS (
    -- What names the counter, without comments: who sets it, and who calls those.
    SELECT proc.oid, proc.proname, texts.code,
        texts.code ~* patterns.sets AS sets
    FROM pg_catalog.pg_proc AS proc
    CROSS JOIN patterns
    JOIN pg_catalog.pg_language AS languages ON languages.oid = proc.prolang AND languages.lanname IN ('sql', 'plpgsql')
    CROSS JOIN LATERAL (
        SELECT regexp_replace(COALESCE(pg_get_function_sqlbody(proc.oid), proc.prosrc), '--[^\n]*|/\*.*?\*/', '', 'g') AS code
    ) AS texts
    WHERE proc.pronamespace <> 'pg_catalog'::regnamespace AND proc.pronamespace IS DISTINCT FROM to_regnamespace('usagefix')::oid
        AND (COALESCE(pg_get_function_sqlbody(proc.oid), proc.prosrc) ~* '\musage_count\M' OR proc.oid IN (
            SELECT existing.tgfoid FROM pg_catalog.pg_trigger AS existing JOIN tree ON existing.tgrelid = tree.relation))
), other_counters AS (
    SELECT string_agg(format('%s on %s', existing.tgname, existing.tgrelid::regclass), ', ' ORDER BY existing.tgname) AS names
    FROM tree
    JOIN pg_catalog.pg_trigger AS existing ON existing.tgrelid = tree.relation
    JOIN functions ON functions.oid = existing.tgfoid
    WHERE NOT existing.tgisinternal AND existing.tgparentid = 0 AND existing.tgenabled IN ('O', 'A')
        AND existing.tgtype::integer & 4 <> 0
        AND existing.tgname !~ '^trigger_auto_(increment|adjust)_preset_usage_count(_(row|enter|leave|delete|update|truncate|truncating))?$'
        AND (functions.sets OR functions.oid = to_regprocedure('public.auto_increment_preset_usage_count()') OR EXISTS (
            SELECT FROM functions AS called
            WHERE called.sets AND called.oid <> functions.oid AND called.proname ~ '^\w+$'
                AND functions.code ~* ('\m' || called.proname || '"?\s*\(')))
), tracker AS (
    SELECT count(*) AS present,
        count(*) FILTER (WHERE code ~* (patterns.inserts || '(?:(?!\minsert\M)[^;])*\mon\s+conflict\s*(?:\((?:(?!\mdo\M)[^;])*\m(?:created_at|used_at)\M|on\s+constraint\s+"?idx_preset_usage_daily_unique)')) AS limited,
        count(*) FILTER (WHERE prosrc ~* 'on conflict do nothing /\* usagefix: until') AS unfinished,
        count(*) FILTER (WHERE code ~* patterns.sets OR code ~* '\mincrement_preset_usage"?\s*\(') AS counting,
        (
            SELECT string_agg(DISTINCT wanted.name, ', ')
            FROM unnest(array_agg(code)) AS bodies (body)
            CROSS JOIN patterns
            CROSS JOIN LATERAL regexp_matches(bodies.body, patterns.inserts || '\s*\(([^()]*)\)', 'gi') AS inserts (columns)
            CROSS JOIN LATERAL regexp_split_to_table(inserts.columns[1], ',') AS listed (name)
            CROSS JOIN LATERAL (SELECT btrim(listed.name, E' \t\n\r')) AS written (name)
            CROSS JOIN LATERAL (SELECT CASE WHEN written.name LIKE '"%' THEN btrim(written.name, '"') ELSE lower(written.name) END) AS wanted (name)
            WHERE wanted.name ~ '^\w+$' AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_attribute
                WHERE attrelid = to_regclass('public.preset_usage') AND attname = wanted.name AND NOT attisdropped)
        ) AS unknown
    FROM (
        SELECT proc.prosrc, regexp_replace(proc.prosrc, '--[^\n]*|/\*.*?\*/', '', 'g') AS code
        FROM pg_catalog.pg_proc AS proc
        WHERE proc.proname = 'track_preset_usage' AND proc.pronamespace = to_regnamespace('public')
    ) AS functions
    CROSS JOIN patterns
)
SELECT 'trigger_enabled' AS check_id,
    'New uses are counted' AS title,
    CASE WHEN existing.oid IS NULL THEN 'missing'
        WHEN existing.tgenabled NOT IN ('O', 'A') THEN 'failed'
        WHEN existing.tgtype <> 4 OR existing.tgnewtable IS DISTINCT FROM 'new_events'
            OR existing.tgfoid IS DISTINCT FROM to_regprocedure('public.auto_increment_preset_usage_count()')
            OR existing.tgqual IS NOT NULL THEN 'outdated'
        ELSE 'ok' END AS status,
    'trigger_auto_increment_preset_usage_count' AS object,
    CASE WHEN existing.oid IS NULL THEN 'no such trigger on preset_usage'
        WHEN existing.tgenabled = 'D' THEN 'the trigger is disabled'
        WHEN existing.tgenabled = 'R' THEN 'the trigger fires on replicas only'
        WHEN existing.tgtype::integer & 1 = 1 THEN 'a row-level trigger'
        WHEN existing.tgtype <> 4 OR existing.tgnewtable IS DISTINCT FROM 'new_events'
            OR existing.tgfoid IS DISTINCT FROM to_regprocedure('public.auto_increment_preset_usage_count()')
            OR existing.tgqual IS NOT NULL THEN 'not the trigger that apply creates'
        ELSE 'after each INSERT statement' END AS detail,
    CASE WHEN existing.tgenabled IN ('D', 'R')
            THEN 'ALTER TABLE public.preset_usage ENABLE TRIGGER trigger_auto_increment_preset_usage_count, then usagefix backfill'
        ELSE 'usagefix apply' END AS hint
FROM (VALUES (1)) AS one LEFT JOIN counting_trigger AS existing ON true
UNION ALL
SELECT 'partitions_counted', 'Partitions are counted',
    CASE WHEN partitions.present = 0 OR existing.oid IS NULL THEN 'skipped'
        WHEN partitions.uncounted + partitions.twice > 0 THEN 'failed' ELSE 'ok' END,
    'preset_usage',
    CASE WHEN partitions.present = 0 THEN 'not partitioned'
        WHEN existing.oid IS NULL THEN 'nothing is counted yet'
        WHEN partitions.uncounted > 0
            THEN format('%s of %s partitions not counted when written to directly: %s', partitions.uncounted, partitions.present, partitions.names)
        WHEN partitions.twice > 0 THEN format('written to directly, these count twice: %s', partitions.names)
        WHEN partitions.by_row > 0 THEN format('%s partitions, %s of them row by row (apply makes them faster)', partitions.present, partitions.by_row)
        ELSE format('%s partitions', partitions.present) END,
    'usagefix apply'
FROM partitions LEFT JOIN counting_trigger AS existing ON true
UNION ALL
SELECT 'function_current', 'Counting function as released',
    CASE WHEN existing.oid IS NULL THEN 'missing'
        WHEN md5(existing.prosrc) <> '7c30c00fa1c9385b81ab6290672cca4a' THEN 'outdated'
        ELSE 'ok' END,
    'auto_increment_preset_usage_count()',
    CASE WHEN existing.oid IS NULL THEN 'no such function'
        WHEN md5(existing.prosrc) <> '7c30c00fa1c9385b81ab6290672cca4a' THEN 'its body is not the released one'
        ELSE 'its body is the released one' END,
    'usagefix apply'
FROM (VALUES (1)) AS one LEFT JOIN counting_function AS existing ON true
UNION ALL
SELECT 'function_secure', 'Counting function is safe',
    CASE WHEN existing.oid IS NULL THEN 'skipped'
        WHEN NOT existing.prosecdef OR existing.misowned OR existing.blocked_by_rls OR existing.hidden_by_rls OR existing.open_to_others
            OR NOT COALESCE(array_to_string(existing.proconfig, ';') LIKE '%search\_path=%pg\_temp%', false) THEN 'failed'
        ELSE 'ok' END,
    'auto_increment_preset_usage_count()',
    CASE WHEN existing.oid IS NULL THEN 'no such function'
        WHEN NOT existing.prosecdef THEN 'not SECURITY DEFINER: RLS makes it miss counters'
        WHEN existing.blocked_by_rls OR existing.hidden_by_rls THEN 'RLS hides presets from its owner'
        WHEN existing.misowned THEN 'its owner is not the owner of presets'
        WHEN existing.open_to_others THEN 'other roles may execute it'
        WHEN NOT COALESCE(array_to_string(existing.proconfig, ';') LIKE '%search\_path=%pg\_temp%', false)
            THEN 'its search_path is not pinned'
        ELSE 'passes RLS, path pinned, closed' END,
    CASE WHEN existing.blocked_by_rls OR existing.hidden_by_rls
            THEN 'give the function an owner with BYPASSRLS, then usagefix backfill'
        ELSE 'usagefix apply' END
FROM (VALUES (1)) AS one LEFT JOIN counting_function AS existing ON true
UNION ALL
SELECT 'counted_once', 'Nothing else counts uses',
    CASE WHEN other_counters.names IS NULL THEN 'ok' WHEN existing.oid IS NULL THEN 'unexpected' ELSE 'failed' END,
    'preset_usage',
    CASE WHEN other_counters.names IS NULL THEN 'no other trigger changes the counter'
        WHEN existing.oid IS NULL THEN format('counted by %s', other_counters.names)
        ELSE format('counts too, so uses count twice: %s', other_counters.names) END,
    'usagefix apply'
FROM other_counters LEFT JOIN counting_trigger AS existing ON true
UNION ALL
SELECT 'daily_limit_gone', 'No daily limit',
    CASE WHEN daily_limit.indexrelid IS NULL THEN 'ok' ELSE 'unexpected' END,
    COALESCE(daily_limit.conname::text, daily_limit.indexrelid::regclass::text, 'idx_preset_usage_daily_unique'),
    CASE WHEN daily_limit.indexrelid IS NULL THEN 'no such index'
        WHEN daily_limit.indexrelid = to_regclass('public.idx_preset_usage_daily_unique') THEN 'refuses the second use on a day'
        ELSE format('%s refuses the second use on a day', COALESCE(daily_limit.conname::text, daily_limit.indexrelid::regclass::text)) END,
    CASE WHEN daily_limit.conname IS NOT NULL THEN format('ALTER TABLE public.preset_usage DROP CONSTRAINT %I', daily_limit.conname)
        ELSE 'usagefix apply' END
FROM (VALUES (1)) AS one LEFT JOIN daily_limit ON true
UNION ALL
SELECT 'tracker_inserts_only', 'track_preset_usage() only inserts',
    CASE WHEN tracker.present = 0 THEN 'skipped'
        WHEN tracker.limited + tracker.counting > 0 OR tracker.unknown IS NOT NULL THEN 'failed'
        WHEN tracker.unfinished > 0 THEN 'outdated'
        ELSE 'ok' END,
    'track_preset_usage()',
    CASE WHEN tracker.present = 0 THEN 'no such function'
        WHEN tracker.limited > 0 THEN 'depends on the daily limit'
        WHEN tracker.counting > 0 THEN 'changes the counter itself: uses count twice'
        WHEN tracker.unknown IS NOT NULL THEN format('names columns that preset_usage lacks: %s', tracker.unknown)
        WHEN tracker.unfinished > 0 THEN 'apply was interrupted before the daily limit was gone'
        ELSE 'neither limited nor counting' END,
    CASE WHEN tracker.unknown IS NOT NULL AND to_regclass('usagefix.history') IS NOT NULL
        THEN 'write track_preset_usage() anew: all it needs is to insert the event' ELSE 'usagefix apply' END
FROM tracker;

-- Counters
WITH counter AS (
    SELECT presets.usage_count, presets.last_used_at AS last_used_at, COALESCE(events.actual, 0) AS actual, events.newest
    FROM public.presets
    LEFT JOIN (
        SELECT preset_usage.preset_id, count(*) AS actual, max(preset_usage.created_at) AS newest
        FROM public.preset_usage
        GROUP BY preset_usage.preset_id
    ) AS events ON events.preset_id = presets.id
), total AS (
    SELECT count(*) AS presets,
        count(*) FILTER (WHERE usage_count IS DISTINCT FROM actual) AS inaccurate,
        count(*) FILTER (WHERE newest > COALESCE(last_used_at, '-infinity')) AS behind,
        row_security_active('public.presets') OR row_security_active('public.preset_usage') AS filtered
    FROM counter
)
SELECT 'counters_accurate' AS check_id, 'Counters equal events' AS title,
    CASE WHEN filtered THEN 'skipped' WHEN inaccurate > 0 THEN 'failed' ELSE 'ok' END AS status,
    'presets.usage_count' AS object,
    CASE WHEN filtered THEN 'row level security hides rows from this role'
        ELSE format('%s of %s presets inaccurate', inaccurate, presets) END AS detail,
    'usagefix backfill' AS hint
FROM total
UNION ALL --? presets.last_used_at, preset_usage.created_at
SELECT 'last_used_current', 'Last use is up to date', --? presets.last_used_at, preset_usage.created_at
    CASE WHEN filtered THEN 'skipped' WHEN behind > 0 THEN 'failed' ELSE 'ok' END, --? presets.last_used_at, preset_usage.created_at
    'presets.last_used_at', --? presets.last_used_at, preset_usage.created_at
    CASE WHEN filtered THEN 'row level security hides rows from this role' --? presets.last_used_at, preset_usage.created_at
        ELSE format('%s of %s presets behind', behind, presets) END, --? presets.last_used_at, preset_usage.created_at
    'usagefix backfill' --? presets.last_used_at, preset_usage.created_at
FROM total --? presets.last_used_at, preset_usage.created_at
;

-- Totals
WITH counter AS (
    SELECT presets.usage_count, COALESCE(events.actual, 0) AS actual
    FROM public.presets
    LEFT JOIN (
        SELECT preset_usage.preset_id, count(*) AS actual FROM public.preset_usage GROUP BY preset_usage.preset_id
    ) AS events ON events.preset_id = presets.id
)
SELECT count(*) AS presets,
    count(*) FILTER (WHERE usage_count IS NOT DISTINCT FROM actual) AS accurate,
    count(*) FILTER (WHERE usage_count IS DISTINCT FROM actual) AS inaccurate,
    COALESCE(sum(usage_count), 0) AS displayed_total,
    COALESCE(sum(actual), 0) AS actual_total,
    COALESCE(sum(actual), 0) - COALESCE(sum(usage_count), 0) AS drift_total,
    COALESCE(sum(abs(actual - COALESCE(usage_count, 0))), 0) AS drift_magnitude,
    count(*) FILTER (WHERE usage_count > 0) AS presets_with_usage,
    count(*) FILTER (WHERE actual > 0) AS presets_really_used
FROM counter;

-- The presets with the largest drift, then the most used
SELECT presets.id, presets.name AS name, presets.usage_count AS displayed_count, COALESCE(events.actual, 0) AS actual_records,
    COALESCE(events.actual, 0) - COALESCE(presets.usage_count, 0) AS drift, presets.last_used_at AS last_used_at
FROM public.presets
LEFT JOIN (
    SELECT preset_usage.preset_id, count(*) AS actual FROM public.preset_usage GROUP BY preset_usage.preset_id
) AS events ON events.preset_id = presets.id
ORDER BY abs(COALESCE(events.actual, 0) - COALESCE(presets.usage_count, 0)) DESC,
    presets.usage_count IS NULL DESC, COALESCE(events.actual, 0) DESC, presets.id
LIMIT 10;
