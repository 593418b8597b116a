-- Are the counters right now? Only reads; takes no locks that block.
--
--   psql "$DATABASE_URL" -f verify.sql
--
-- It prints four tables: checks of the catalog, checks of the counters, the totals, and the presets to look at. Each
-- statement reads counters and events in one snapshot, so concurrent writes cause no false alarm.
-- If preset_usage is partitioned, run verify_partitions.sql as well.
-- Connect as the owner of the tables, or row level security hides rows from you (the check counters_accurate says so).
-- `usagefix verify` and `usagefix doctor` also read code, and find what else writes the counter.

-- Look up every name in pg_catalog, so that nothing that others created is called instead
DO $do$ BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false);
    PERFORM set_config('TimeZone', 'UTC', false), set_config('quote_all_identifiers', 'off', false);
    PERFORM set_config('usagefix.baselines', '{}', false); -- what counters hold in addition to their events
    IF EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('usagefix') AND relname = 'baselines') THEN
        PERFORM set_config('usagefix.baselines', jsonb_object_agg(row_key, baseline)::text, false)
        FROM usagefix.baselines WHERE counter = 'preset_usage_count'::name HAVING count(*) > 0;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_attribute --? dated
            WHERE attrelid = to_regclass('public.presets') AND attname = 'last_used_at'::name) --? dated
        OR NOT EXISTS (SELECT FROM pg_attribute --? dated
            WHERE attrelid = to_regclass('public.preset_usage') AND attname = 'created_at'::name) THEN --? dated
        RAISE EXCEPTION 'a time that this file reads has another name here' USING HINT = --? dated
            'usagefix sql 20250930000001 verify --adapt prints the script for this database.'; END IF; --? dated
END $do$;

-- Objects
WITH tree AS (
    SELECT tables.oid AS relation, tables.relkind AS kind
    FROM pg_class AS tables WHERE tables.oid = to_regclass('public.preset_usage')
), released AS (
    SELECT 'INSERT' AS event, 'trigger_auto_increment_preset_usage_count'::name AS name, 4 AS type,
        NULL::name AS old_table, 'new_events'::name AS new_table,
        to_regprocedure('public.auto_increment_preset_usage_count()') AS function
    UNION ALL SELECT 'DELETE', 'trigger_auto_adjust_preset_usage_count_delete'::name, 8, 'old_events', NULL,
        to_regprocedure('public.auto_adjust_preset_usage_count()')
    UNION ALL SELECT 'UPDATE', 'trigger_auto_adjust_preset_usage_count_update'::name, 16, 'old_events', 'new_events',
        to_regprocedure('public.auto_adjust_preset_usage_count()')
    UNION ALL SELECT 'TRUNCATE', 'trigger_auto_adjust_preset_usage_count_truncate'::name, 32, NULL, NULL,
        to_regprocedure('public.auto_adjust_preset_usage_count()')
), found AS (
    -- Each expected trigger
    SELECT tree.relation, released.event, released.name, existing.oid IS NOT NULL AS present,
        COALESCE(existing.tgenabled IN ('O', 'A'), false) AS enabled, existing.tgenabled AS state,
        COALESCE(existing.tgtype, 0) & 1 = 1 AS by_row,
        COALESCE(existing.tgtype = released.type
            AND existing.tgfoid = released.function AND existing.tgqual IS NULL
            AND existing.tgoldtable IS NOT DISTINCT FROM released.old_table
            AND existing.tgnewtable IS NOT DISTINCT FROM released.new_table, false) AS as_released
    FROM tree
    CROSS JOIN released
    LEFT JOIN pg_trigger AS existing ON existing.tgrelid = tree.relation AND existing.tgname = released.name
), counting AS (
    SELECT found.*, parents.inhparent::regclass AS above
    FROM (VALUES (1)) AS one
    LEFT JOIN found ON found.event = 'INSERT'
    LEFT JOIN pg_inherits AS parents ON parents.inhrelid = found.relation
), adjusting AS (
    SELECT count(*) FILTER (WHERE present) AS present, bool_and(enabled) AS enabled, bool_and(as_released) AS correct,
        string_agg(lower(event), ', ' ORDER BY event) FILTER (WHERE NOT present) AS absent,
        string_agg(lower(event), ', ' ORDER BY event) FILTER (WHERE NOT enabled) AS disabled
    FROM found WHERE event <> 'INSERT'
), functions AS (
    SELECT wanted.prefix, wanted.title, format('%s()', wanted.name) AS name, proc.oid,
        -- What apply makes otherwise. The body may lack what partitions need if nothing is partitioned.
        NULLIF(concat_ws(', ', CASE WHEN strpos(wanted.bodies, md5(proc.prosrc)) <> 1
                AND (strpos(wanted.bodies, md5(proc.prosrc)) = 0 OR EXISTS (SELECT FROM tree WHERE kind = 'p'))
                THEN 'its body is not the released one' END,
            CASE proc.provolatile WHEN 's' THEN 'it is STABLE' WHEN 'i' THEN 'it is IMMUTABLE' END,
            CASE WHEN proc.proisstrict THEN 'it is STRICT' END,
            CASE WHEN 'TimeZone=UTC' <> ALL (COALESCE(proc.proconfig, '{}')) AND ( --? dated
                SELECT count(*) = 1 FROM pg_attribute WHERE atttypid = 'timestamp'::regtype AND ( --? dated
                    attrelid = presets.oid AND attname = 'last_used_at'::name OR --? dated
                    attrelid = to_regclass('public.preset_usage') AND attname = 'created_at'::name) --? dated
            ) THEN 'it does not set TimeZone' END, --? dated
            settings.other), '') AS other,
        proc.prosecdef AS definer,
        quote_ident(owners.rolname) AS owner, proc.proowner <> presets.relowner AS misowned,
        presets.relrowsecurity AND NOT (owners.rolsuper OR owners.rolbypassrls)
            AND (presets.relforcerowsecurity OR NOT pg_has_role(proc.proowner, presets.relowner, 'USAGE')) AS hidden,
        EXISTS (SELECT FROM aclexplode(COALESCE(proc.proacl, acldefault('f', proc.proowner))) AS granted
            WHERE granted.grantee <> proc.proowner) AS open,
        COALESCE(array_to_string(proc.proconfig, ';') LIKE '%search\_path=%pg\_temp%', false) AS pinned
    FROM (
        VALUES ('function', 'Counting function', 'auto_increment_preset_usage_count'::name,
                '2b767bba4342ed3eeeaf188368b9e042 a6c346708404f92cb3c32c0dece3b33e'),
            ('adjusting_function', 'Adjusting function', 'auto_adjust_preset_usage_count'::name,
                'fe5a13cabbbacf8c26378ca2a5750c62 9bdd13547fd809ddc03dd7ded31bce5b')
    ) AS wanted (prefix, title, name, bodies)
    LEFT JOIN pg_class AS presets ON presets.oid = to_regclass('public.presets')
    LEFT JOIN pg_proc AS proc
        ON proc.proname = wanted.name AND proc.pronamespace = presets.relnamespace AND proc.pronargs = 0
    LEFT JOIN pg_roles AS owners ON owners.oid = proc.proowner
    LEFT JOIN LATERAL (
        SELECT string_agg(CASE WHEN path.names IS NULL THEN format('it sets %s', split_part(entry, '=', 1))
            ELSE 'its search_path is not the one that apply sets' END, ', ' ORDER BY entry) AS other
        FROM unnest(proc.proconfig) AS config (entry)
        CROSS JOIN LATERAL (VALUES (CASE WHEN starts_with(entry, 'search_path=') THEN ARRAY(SELECT part[1]
            FROM regexp_matches(substr(entry, 13), '"(?:[^"]|"")*"|[^", ]+', 'g') AS part) END)) AS path (names)
        -- Its own schema first, last the name by which the guard recognises it, others only if safe.
        WHERE entry <> 'TimeZone=UTC' AND (names[1] = proc.pronamespace::regnamespace::text
            AND names[cardinality(names) - 1 :] = ARRAY['pg_temp', 'pg_usagefix_preset_usage_count_1'::text]
            AND names[2 : cardinality(names) - 2] <@ ARRAY(
                SELECT schemas.oid::regnamespace::text FROM pg_namespace AS schemas WHERE NOT EXISTS (
                    SELECT FROM aclexplode(schemas.nspacl) AS granted WHERE granted.privilege_type = 'CREATE'
                        AND granted.grantee NOT IN (presets.relowner, schemas.nspowner)))) IS NOT TRUE
    ) AS settings ON true
)
SELECT 'trigger_enabled' AS check_id, 'New uses are counted' AS title,
    CASE WHEN NOT present OR relation IS NULL THEN 'missing' WHEN NOT enabled OR above IS NOT NULL THEN 'failed'
        WHEN NOT as_released THEN 'outdated' ELSE 'ok' END AS status,
    'trigger_auto_increment_preset_usage_count'::name::text AS object,
    CASE WHEN NOT present OR relation IS NULL THEN 'no such trigger on preset_usage'
        WHEN state = 'D' THEN 'the trigger is disabled' WHEN state = 'R' THEN 'the trigger fires on replicas only'
        WHEN above IS NOT NULL THEN format('it is a partition of %s now: writes to that are not counted', above)
        WHEN by_row THEN 'a row-level trigger' WHEN NOT as_released THEN 'not the trigger that apply creates'
        ELSE 'after each INSERT statement' END AS detail,
    CASE WHEN present AND NOT enabled
        THEN format('ALTER TABLE %s ENABLE TRIGGER %I, then usagefix backfill', relation::regclass, name)
        WHEN above IS NOT NULL THEN format('detach it from %s, then usagefix backfill', above)
        ELSE 'usagefix apply' END AS hint
FROM counting
UNION ALL SELECT 'changes_counted', 'Deletes and moves are counted',
    CASE WHEN present = 0 THEN 'missing' WHEN absent IS NOT NULL OR NOT enabled THEN 'failed'
        WHEN NOT correct THEN 'outdated' ELSE 'ok' END,
    format('%s, _update, _truncate', 'trigger_auto_adjust_preset_usage_count_delete'::name),
    CASE WHEN present = 0 THEN 'no such triggers on preset_usage'
        WHEN absent IS NOT NULL THEN format('no trigger for: %s', absent)
        WHEN NOT enabled THEN format('disabled: the trigger for %s', disabled)
        WHEN NOT correct THEN 'not the triggers that apply creates' ELSE 'after DELETE, UPDATE, TRUNCATE' END,
    CASE WHEN present > 0 AND NOT enabled AND absent IS NULL
        THEN 'enable the trigger again, then usagefix backfill' ELSE 'usagefix apply' END FROM adjusting
UNION ALL SELECT 'daily_limit_gone', 'No daily limit', CASE WHEN oid IS NULL THEN 'ok' ELSE 'unexpected' END, --? daily
    'idx_preset_usage_daily_unique'::name::text, --? daily
    CASE WHEN oid IS NULL THEN 'no such index' ELSE 'refuses the second use on a day' END, 'usagefix apply' --? daily
FROM (VALUES (to_regclass('public.idx_preset_usage_daily_unique'))) AS daily (oid) --? daily
UNION ALL SELECT prefix || '_current', title || ' as released',
    CASE WHEN oid IS NULL THEN 'missing' WHEN other IS NOT NULL THEN 'outdated' ELSE 'ok' END, name,
    CASE WHEN oid IS NULL THEN 'no such function' ELSE COALESCE(other, 'its body is the released one') END,
    'usagefix apply' FROM functions
UNION ALL SELECT prefix || '_secure', title || ' is safe',
    CASE WHEN oid IS NULL THEN 'skipped' WHEN NOT definer OR hidden OR misowned OR open OR NOT pinned THEN 'failed'
        ELSE 'ok' END, name, CASE WHEN oid IS NULL THEN 'no such function'
        WHEN NOT definer THEN 'not SECURITY DEFINER: RLS makes it miss counters'
        WHEN misowned THEN 'its owner is not the owner of presets' WHEN hidden THEN 'RLS hides presets from its owner'
        WHEN open THEN 'other roles may execute it' WHEN NOT pinned THEN 'its search_path is not pinned'
        ELSE 'passes RLS, path pinned, closed' END,
    CASE WHEN hidden AND NOT misowned THEN format('ALTER ROLE %s BYPASSRLS, then usagefix backfill', owner)
        ELSE 'usagefix apply' END
FROM functions;

-- Counters. Counters and events are read separately, so that this also works on distributed tables
WITH shown AS MATERIALIZED (
    SELECT preset.id AS id, preset.usage_count, preset.last_used_at AS last_use FROM public.presets AS preset
), events AS MATERIALIZED (
    SELECT event.preset_id AS parent, count(*) AS actual, max(event.created_at) AS newest
    FROM public.preset_usage AS event GROUP BY event.preset_id
), counter AS (
    SELECT shown.usage_count, shown.last_use, events.newest,
        COALESCE(events.actual, 0) + COALESCE(kept.uses::numeric, 0) AS actual
    FROM shown LEFT JOIN events ON events.parent = shown.id
    LEFT JOIN jsonb_each_text(current_setting('usagefix.baselines')::jsonb) AS kept (key, uses) ON key = shown.id::text
), total AS (
    SELECT count(*) AS presets, count(*) FILTER (WHERE usage_count IS DISTINCT FROM actual) AS inaccurate,
        count(*) FILTER (WHERE newest > COALESCE(last_use, '-infinity')) AS behind,
        count(*) FILTER (WHERE usage_count > actual) AS falling, count(*) FILTER (WHERE usage_count > 0) AS used,
        sum(usage_count - actual) FILTER (WHERE usage_count > actual) AS fall, sum(usage_count) AS displayed,
        count(*) FILTER (WHERE usage_count > 0 AND actual = 0) AS no_event,
        row_security_active('public.presets'::regclass)
            OR row_security_active('public.preset_usage'::regclass) AS filtered
    FROM counter)
SELECT checks.check_id, checks.title,
    CASE WHEN filtered THEN 'skipped' WHEN checks.wrong > 0 THEN 'failed' ELSE 'ok' END AS status, checks.object,
    CASE WHEN filtered THEN 'row level security hides rows from this role'
        ELSE format('%s of %s presets %s', checks.wrong, presets, checks.what) END AS detail,
    CASE checks.check_id WHEN 'events_complete' THEN 'usagefix doctor; then ' ELSE '' END || 'usagefix backfill' AS hint
FROM total CROSS JOIN LATERAL (
    VALUES ('events_complete', 'The events look like the whole truth',
            CASE WHEN no_event > 0 AND no_event >= LEAST(3, used) AND no_event * 10 >= used
                OR fall >= 10 AND fall * 5 >= displayed THEN falling ELSE 0 END,
            'preset_usage', 'would fall: too many to be sure')
        , ('counters_accurate', 'Counters equal events', inaccurate, 'usage_count', 'inaccurate')
        , ('last_used_current', 'Last use is up to date', behind, 'last_used_at', 'behind') --? dated
) AS checks (check_id, title, wrong, object, what);

-- Totals
WITH shown AS MATERIALIZED (SELECT preset.id AS id, preset.usage_count FROM public.presets AS preset)
, events AS MATERIALIZED (SELECT event.preset_id AS parent, count(*) AS actual
    FROM public.preset_usage AS event GROUP BY event.preset_id)
SELECT count(*) AS rows, count(*) FILTER (WHERE shown IS NOT DISTINCT FROM baseline + actual) AS accurate,
    count(*) FILTER (WHERE shown IS DISTINCT FROM baseline + actual) AS inaccurate,
    COALESCE(sum(shown), 0) AS displayed_total, COALESCE(sum(actual), 0) AS actual_total,
    COALESCE(sum(baseline + actual - COALESCE(shown, 0)), 0) AS drift_total,
    COALESCE(sum(abs(baseline + actual - COALESCE(shown, 0))), 0) AS drift_magnitude,
    count(*) FILTER (WHERE shown > 0) AS rows_with_count, count(*) FILTER (WHERE actual <> 0) AS rows_with_events,
    COALESCE(sum(baseline), 0) AS baseline_total, count(*) FILTER (WHERE baseline <> 0) AS rows_with_baseline
FROM (
    SELECT shown.usage_count AS shown, COALESCE(events.actual, 0) AS actual, COALESCE(kept.uses::numeric, 0) AS baseline
    FROM shown LEFT JOIN events ON events.parent = shown.id
    LEFT JOIN jsonb_each_text(current_setting('usagefix.baselines')::jsonb) AS kept (key, uses) ON key = shown.id::text
) AS counters;

-- The presets with the largest drift, then the most used
WITH shown AS MATERIALIZED (
    SELECT preset.id AS id, preset.name AS label, preset.usage_count, preset.last_used_at AS last_use
    FROM public.presets AS preset
), events AS MATERIALIZED (SELECT event.preset_id AS parent, count(*) AS actual
    FROM public.preset_usage AS event GROUP BY event.preset_id)
SELECT shown.id, shown.label, shown.usage_count AS displayed_count, COALESCE(events.actual, 0) AS actual_records,
    COALESCE(kept.uses::numeric, 0) AS baseline, found.drift, shown.last_use AS last_event_at
FROM shown LEFT JOIN events ON events.parent = shown.id
LEFT JOIN jsonb_each_text(current_setting('usagefix.baselines')::jsonb) AS kept (key, uses) ON key = shown.id::text
CROSS JOIN LATERAL (VALUES (
    COALESCE(events.actual, 0) + COALESCE(kept.uses::numeric, 0) - COALESCE(shown.usage_count, 0))) AS found (drift)
ORDER BY abs(found.drift) DESC, shown.usage_count IS NULL DESC, COALESCE(events.actual, 0) DESC, shown.id LIMIT 10;
