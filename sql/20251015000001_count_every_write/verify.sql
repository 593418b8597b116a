-- Are deleted, moved and truncated events counted right now? Reads only; locks nothing.
--
--   psql "$DATABASE_URL" -f verify.sql
--
-- The checks of what this version made; whether the counters are right says verify.sql of version 20250930000001.

-- Objects
WITH RECURSIVE tree AS (
    SELECT to_regclass('public.preset_usage')::oid AS relation, true AS whole
    UNION ALL
    SELECT parents.inhrelid, false FROM pg_catalog.pg_inherits AS parents JOIN tree ON parents.inhparent = tree.relation
), wanted AS (
    SELECT tree.relation, tree.whole, tables.relkind AS kind, triggers.event, triggers.type + CASE WHEN event = 'truncate' AND NOT whole THEN 2 ELSE 0 END AS type
    FROM tree
    JOIN pg_catalog.pg_class AS tables ON tables.oid = tree.relation
    CROSS JOIN (VALUES ('delete', 8), ('update', 16), ('truncate', 32)) AS triggers (event, type)
    WHERE triggers.event <> 'truncate' OR tree.whole OR tables.relkind = 'r'
), found AS (
    SELECT wanted.*, existing.oid AS trigger, existing.tgenabled IN ('O', 'A') AS enabled,
        existing.tgtype = wanted.type AND existing.tgqual IS NULL
            AND existing.tgfoid IS NOT DISTINCT FROM to_regprocedure('public.auto_adjust_preset_usage_count()')
            AND existing.tgoldtable IS NOT DISTINCT FROM CASE WHEN event <> 'truncate' THEN 'old_events' END
            AND existing.tgnewtable IS NOT DISTINCT FROM CASE WHEN event = 'update' THEN 'new_events' END AS released,
        EXISTS (
            SELECT FROM pg_catalog.pg_trigger AS cloned
            WHERE cloned.tgrelid = wanted.relation AND cloned.tgparentid <> 0 AND cloned.tgenabled IN ('O', 'A')
                AND cloned.tgname = 'trigger_auto_adjust_preset_usage_count_row'
        ) AND wanted.kind = 'r' AS by_row
    FROM wanted
    LEFT JOIN pg_catalog.pg_trigger AS existing
        ON existing.tgrelid = wanted.relation AND existing.tgname = 'trigger_auto_adjust_preset_usage_count_' || wanted.event
), whole AS (
    SELECT count(trigger) AS present, bool_and(COALESCE(enabled, false)) AS enabled, bool_and(COALESCE(released, false)) AS released,
        string_agg(event, ', ' ORDER BY event) FILTER (WHERE trigger IS NULL) AS absent,
        string_agg(event, ', ' ORDER BY event) FILTER (WHERE NOT enabled) AS disabled
    FROM found WHERE found.whole
), partitions AS (
    SELECT count(DISTINCT relation) AS present,
        count(DISTINCT relation) FILTER (WHERE uncounted) AS uncounted,
        string_agg(DISTINCT relation::regclass::text, ', ') FILTER (WHERE uncounted) AS names
    FROM (
        SELECT relation,
            -- The trigger for rows does for deletes and moves; only the partition's own one notices TRUNCATE.
            CASE WHEN trigger IS NOT NULL AND enabled AND released THEN by_row AND event <> 'truncate'
                ELSE NOT by_row END AS uncounted
        FROM found WHERE NOT found.whole
    ) AS each
), patterns AS (
    -- Statements on the tables of this schema, or named without one.
    SELECT '\mupdate\s+(?:only\s+)?' || here || '"?presets"?(?![\w"$])(?:\s+(?:as\s+)?(?!set\M)\w+)?\s+set\s+'
            '(?:(?:(?!\mwhere\M)[^();]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*,\s*)?(?:"?usage_count"?|\([^()]*\musage_count\M[^()]*\))\s*=' AS sets
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
        AND existing.tgtype::integer & 56 <> 0
        AND existing.tgname !~ '^trigger_auto_(increment|adjust)_preset_usage_count(_(row|enter|leave|delete|update|truncate|truncating))?$'
        AND (functions.sets OR EXISTS (
            SELECT FROM functions AS called
            WHERE called.sets AND called.oid <> functions.oid AND called.proname ~ '^\w+$'
                AND functions.code ~* ('\m' || called.proname || '"?\s*\(')))
), adjusting_function AS (
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
    WHERE proc.oid = to_regprocedure('public.auto_adjust_preset_usage_count()')
)
SELECT 'changes_counted' AS check_id,
    'Deletes and moves are counted' AS title,
    CASE WHEN whole.present = 0 THEN 'missing'
        WHEN whole.absent IS NOT NULL OR NOT whole.enabled THEN 'failed'
        WHEN NOT whole.released THEN 'outdated'
        ELSE 'ok' END AS status,
    'trigger_auto_adjust_preset_usage_count_delete, …_update, …_truncate' AS object,
    CASE WHEN whole.present = 0 THEN 'no such triggers on preset_usage'
        WHEN whole.absent IS NOT NULL THEN format('no trigger for: %s', whole.absent)
        WHEN NOT whole.enabled THEN format('disabled: the trigger for %s', whole.disabled)
        WHEN NOT whole.released THEN 'not the triggers that apply creates'
        ELSE 'after DELETE, UPDATE, TRUNCATE' END AS detail,
    CASE WHEN whole.present > 0 AND NOT whole.enabled AND whole.absent IS NULL
        THEN 'ALTER TABLE public.preset_usage ENABLE TRIGGER …, then usagefix backfill' ELSE 'usagefix apply' END AS hint
FROM whole
UNION ALL
SELECT 'partition_changes_counted', 'Partitions'' deletes are counted',
    CASE WHEN partitions.present = 0 OR whole.present = 0 THEN 'skipped' WHEN partitions.uncounted > 0 THEN 'failed' ELSE 'ok' END,
    'preset_usage',
    CASE WHEN partitions.present = 0 THEN 'not partitioned'
        WHEN whole.present = 0 THEN 'nothing is counted yet'
        WHEN partitions.uncounted > 0
            THEN format('%s of %s partitions not counted: %s', partitions.uncounted, partitions.present, partitions.names)
        ELSE format('%s partitions', partitions.present) END,
    'usagefix apply'
FROM partitions CROSS JOIN whole
UNION ALL
SELECT 'changes_counted_once', 'Nothing else counts deletes',
    CASE WHEN other_counters.names IS NULL THEN 'ok' WHEN whole.present = 0 THEN 'unexpected' ELSE 'failed' END,
    'preset_usage',
    CASE WHEN other_counters.names IS NULL THEN 'no other trigger changes the counter'
        WHEN whole.present = 0 THEN format('counted by %s', other_counters.names)
        ELSE format('counts too, so deletes count twice: %s', other_counters.names) END,
    'usagefix apply'
FROM other_counters CROSS JOIN whole
UNION ALL
SELECT 'adjusting_function_current', 'Adjusting function as released',
    CASE WHEN existing.oid IS NULL THEN 'missing' WHEN md5(existing.prosrc) <> 'b13d47df23c161c480eda71b714754dd' THEN 'outdated' ELSE 'ok' END,
    'auto_adjust_preset_usage_count()',
    CASE WHEN existing.oid IS NULL THEN 'no such function'
        WHEN md5(existing.prosrc) <> 'b13d47df23c161c480eda71b714754dd' THEN 'its body is not the released one'
        ELSE 'its body is the released one' END,
    'usagefix apply'
FROM (VALUES (1)) AS one LEFT JOIN adjusting_function AS existing ON true
UNION ALL
SELECT 'adjusting_function_secure', 'Adjusting function is safe',
    CASE WHEN existing.oid IS NULL THEN 'skipped'
        WHEN NOT existing.prosecdef OR existing.misowned OR existing.blocked_by_rls OR existing.hidden_by_rls OR existing.open_to_others
            OR NOT COALESCE(array_to_string(existing.proconfig, ';') LIKE '%search\_path=%pg\_temp%', false) THEN 'failed'
        ELSE 'ok' END,
    'auto_adjust_preset_usage_count()',
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
FROM (VALUES (1)) AS one LEFT JOIN adjusting_function AS existing ON true;
