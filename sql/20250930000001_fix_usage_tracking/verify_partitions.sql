-- Is each write to a partitioned preset_usage counted once, now and in later partitions? Only reads; takes no locks
-- that block.
--
--   psql "$DATABASE_URL" -f verify.sql -f verify_partitions.sql
--
-- It checks what partitions.sql creates, and the triggers of each partition. Other tables do not need it.

-- Look up every name in pg_catalog, so that nothing that others created is called instead
DO $do$ BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false);
END $do$;

-- Partitions
WITH RECURSIVE tree AS (
    SELECT tables.oid AS relation, tables.relkind AS kind, ARRAY[tables.oid] AS path
    FROM pg_class AS tables WHERE tables.oid = to_regclass('public.preset_usage')
    UNION ALL SELECT parents.inhrelid, tables.relkind, tree.path || parents.inhrelid FROM tree
    JOIN pg_inherits AS parents ON parents.inhparent = tree.relation
    JOIN pg_class AS tables ON tables.oid = parents.inhrelid
), found AS (
    -- Each trigger that apply creates, or PostgreSQL from it; verify.sql looks at those that count the whole table.
    SELECT tree.relation, tree.kind, tree.path, wanted.role, wanted.name,
        COALESCE(existing.tgenabled IN ('O', 'A')
            AND replace(pg_get_triggerdef(existing.oid), '"', '') = replace(format('CREATE TRIGGER %I %s %s()',
                wanted.name, format(wanted.form, tree.relation::regclass), wanted.function::regproc), '"', '')
            AND (wanted.role <> 'row' OR (existing.tgparentid = 0) = (array_length(tree.path, 1) = 1)), false) AS fine
    FROM tree
    CROSS JOIN LATERAL (
        VALUES ('insert', 'trigger_auto_increment_preset_usage_count'::name,
                to_regprocedure('public.auto_increment_preset_usage_count()'), 'AFTER INSERT ON %s'
                ' REFERENCING NEW TABLE AS new_events FOR EACH STATEMENT EXECUTE FUNCTION'),
            ('delete', 'trigger_auto_adjust_preset_usage_count_delete'::name,
                to_regprocedure('public.auto_adjust_preset_usage_count()'), 'AFTER DELETE ON %s'
                ' REFERENCING OLD TABLE AS old_events FOR EACH STATEMENT EXECUTE FUNCTION'),
            ('update', 'trigger_auto_adjust_preset_usage_count_update'::name,
                to_regprocedure('public.auto_adjust_preset_usage_count()'), 'AFTER UPDATE ON %s REFERENCING'
                ' OLD TABLE AS old_events NEW TABLE AS new_events FOR EACH STATEMENT EXECUTE FUNCTION'),
            ('truncate', 'trigger_auto_adjust_preset_usage_count_truncate'::name,
                to_regprocedure('public.auto_adjust_preset_usage_count()'),
                'BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION'),
            ('enter', 'trigger_auto_note_preset_usage_count_enter'::name,
                to_regprocedure('public.auto_note_preset_usage_count()'), concat('BEFORE INSERT OR DELETE OR UPDATE',
                CASE array_length(path, 1) WHEN 1 THEN ' OR TRUNCATE' END,
                ' ON %s FOR EACH STATEMENT EXECUTE FUNCTION')),
            ('leave', 'trigger_auto_note_preset_usage_count_leave'::name,
                to_regprocedure('public.auto_note_preset_usage_count()'), concat('AFTER INSERT OR DELETE OR UPDATE',
                CASE array_length(path, 1) WHEN 1 THEN ' OR TRUNCATE' END,
                ' ON %s FOR EACH STATEMENT EXECUTE FUNCTION')),
            ('row', 'trigger_auto_count_row_preset_usage_count'::name,
                to_regprocedure('public.auto_count_row_preset_usage_count()'),
                'AFTER INSERT OR DELETE OR UPDATE ON %s FOR EACH ROW'
                ' WHEN ((split_part(current_setting(''usagefix.whole''::text, true), '',''::text, 1)'
                ' IS DISTINCT FROM concat(pg_trigger_depth(), '' '', EXTRACT(epoch FROM statement_timestamp()))))'
                ' EXECUTE FUNCTION')
    ) AS wanted (role, name, function, form)
    LEFT JOIN pg_trigger AS existing ON existing.tgrelid = tree.relation AND existing.tgname = wanted.name
), tables AS (
    SELECT relation, kind, path, array_length(path, 1) = 1 AS root,
        bool_and(fine) FILTER (WHERE role = 'insert') AS inserts,
        bool_and(fine OR kind = 'p' AND role = 'truncate')
            FILTER (WHERE role IN ('delete', 'update', 'truncate')) AS changes,
        bool_and(fine OR kind <> 'p') FILTER (WHERE role IN ('enter', 'leave', 'row')) AND NOT EXISTS (
            SELECT FROM pg_trigger AS further
            WHERE further.tgrelid = relation AND further.tgenabled IN ('O', 'A')
                AND further.tgfoid = to_regprocedure('public.auto_note_preset_usage_count()')
                AND further.tgname <> ALL (array_agg(name))) AS noted,
        string_agg(format('%I', name), ', ' ORDER BY name)
            FILTER (WHERE NOT fine AND kind = 'p' AND role IN ('enter', 'leave', 'row')) AS lacking,
        bool_and(fine) FILTER (WHERE role = 'row') AND kind IN ('p', 'r') AND NOT EXISTS (
            SELECT FROM pg_trigger AS own
            WHERE own.tgrelid = relation AND own.tgenabled IN ('O', 'A') AND own.tgtype <> 34 -- BEFORE TRUNCATE
                AND own.tgfoid IN (to_regprocedure('public.auto_increment_preset_usage_count()'),
                    to_regprocedure('public.auto_adjust_preset_usage_count()'),
                    to_regprocedure('public.auto_note_preset_usage_count()'))) AS by_row
    FROM found
    GROUP BY relation, kind, path
), counted AS (
    -- By triggers of its own; or row by row, with all below it. The whole table needs what counts later partitions.
    SELECT each.*, kinds.inserts AS of_inserts, lacking IS NOT NULL AND NOT later AS lacks,
        later OR noted AND kind IN ('p', 'r') AND (root OR CASE WHEN kinds.inserts THEN each.inserts ELSE changes END)
            AS fine
    FROM (
        SELECT tables.*, by_row AND NOT root AND (kind = 'r' OR NOT EXISTS (
            SELECT FROM tables AS below WHERE below.path @> tables.path AND NOT below.by_row)) AS later
        FROM tables
    ) AS each
    CROSS JOIN (VALUES (true), (false)) AS kinds (inserts)
), partitions AS (
    SELECT of_inserts, bool_and(fine) AS fine, count(*) - 1 AS present, count(*) FILTER (WHERE later) AS later,
        string_agg(format('%s on %s', lacking, relation::regclass), '; ' ORDER BY path) FILTER (WHERE lacks) AS lacking,
        count(*) FILTER (WHERE NOT fine AND NOT root) AS wrong,
        string_agg(concat(relation::regclass, CASE kind WHEN 'f' THEN ' (a foreign table)' END), ', ' ORDER BY path)
            FILTER (WHERE NOT fine AND NOT root) AS names
    FROM counted
    GROUP BY of_inserts HAVING count(*) > 1 OR bool_or(kind = 'p')
), functions AS (
    SELECT format('%s()', wanted.name) AS name, proc.oid,
        -- Its body, and no setting but its path, and the zone where the times of the two tables are of two types.
        md5(proc.prosrc) = wanted.body AND proc.provolatile = 'v' AND NOT EXISTS (
            SELECT FROM unnest(proc.proconfig) AS configured (setting)
            WHERE setting <> 'TimeZone=UTC' AND CASE WHEN wanted.definer
                THEN starts_with(replace(setting, '"', ''), wanted.path) AND right(setting, length(ending)) = ending
                ELSE setting = wanted.path END IS NOT TRUE) AS as_released,
        CASE WHEN proc.prosecdef AND NOT wanted.definer THEN 'it is SECURITY DEFINER'
            WHEN NOT proc.prosecdef AND wanted.definer THEN 'not SECURITY DEFINER: RLS makes it miss counters'
            WHEN proc.proowner <> presets.relowner THEN 'its owner is not the owner of presets'
            WHEN EXISTS (
                SELECT FROM aclexplode(COALESCE(proc.proacl, acldefault('f', proc.proowner))) AS granted
                WHERE granted.grantee <> proc.proowner
            ) THEN 'other roles may execute it'
            WHEN array_to_string(proc.proconfig, ';') LIKE '%search\_path=%pg\_temp%' THEN NULL
            WHEN proc.oid IS NOT NULL THEN 'its search_path is not pinned' END AS unsafe
    FROM pg_class AS presets
    CROSS JOIN LATERAL (
        VALUES ('auto_note_preset_usage_count'::name, '5257154bf489133cf32e947be1741221',
                to_regprocedure('public.auto_note_preset_usage_count()'), false,
                'search_path=pg_catalog, pg_temp', NULL),
            ('auto_count_row_preset_usage_count'::name, '74ea943b1fa28625e1f866a6c2dde47b',
                to_regprocedure('public.auto_count_row_preset_usage_count()'), true,
                replace(format('search_path=%s, ', presets.relnamespace::regnamespace), '"', ''),
                concat(', pg_temp, ', 'pg_usagefix_preset_usage_count_1'::name))
    ) AS wanted (name, body, function, definer, path, ending)
    LEFT JOIN pg_proc AS proc ON proc.oid = wanted.function
    WHERE presets.oid = to_regclass('public.presets')
), listed AS (
    SELECT string_agg(name, ', ') AS names, string_agg(name, ', ') FILTER (WHERE oid IS NULL) AS missing,
        string_agg(name, ', ') FILTER (WHERE NOT as_released) AS changed, count(oid) AS present,
        string_agg(format('%s: %s', name, unsafe), '; ') FILTER (WHERE unsafe IS NOT NULL) AS unsafe,
        EXISTS (SELECT FROM partitions) AS partitioned
    FROM functions
)
SELECT CASE WHEN kinds.inserts THEN 'partitions_counted' ELSE 'partition_changes_counted' END AS check_id,
    CASE WHEN kinds.inserts THEN 'Partitions are counted' ELSE 'Partitions'' deletes are counted' END AS title,
    CASE WHEN partitions.fine IS NULL OR counting.oid IS NULL THEN 'skipped'
        WHEN NOT partitions.fine THEN 'failed' ELSE 'ok' END AS status,
    'preset_usage' AS object,
    CASE WHEN partitions.fine IS NULL THEN 'not partitioned'
        WHEN counting.oid IS NULL THEN 'nothing is counted yet'
        WHEN NOT partitions.fine THEN concat_ws('; ',
            CASE WHEN lacking IS NOT NULL THEN format('missing, disabled or not as released: %s', lacking) END,
            CASE WHEN wrong > 0 THEN format('partitions not counted once when written to directly: %s of %s: %s',
                wrong, partitions.present, names) END)
        WHEN later > 0 THEN format('partitions: %s, counted row by row: %s (apply makes them faster)',
            partitions.present, later)
        ELSE format('partitions: %s', partitions.present) END AS detail,
    'usagefix apply' AS hint
FROM (VALUES (true), (false)) AS kinds (inserts)
LEFT JOIN partitions ON partitions.of_inserts = kinds.inserts
LEFT JOIN pg_trigger AS counting ON counting.tgrelid = to_regclass('public.preset_usage')
    AND counting.tgname = 'trigger_auto_increment_preset_usage_count'::name
UNION ALL SELECT 'partition_functions_current', 'Partition functions as released',
    CASE WHEN NOT partitioned THEN 'skipped' WHEN missing IS NOT NULL THEN 'missing'
        WHEN changed IS NOT NULL THEN 'outdated' ELSE 'ok' END, names,
    CASE WHEN NOT partitioned THEN 'not partitioned' WHEN missing IS NOT NULL THEN format('no function %s', missing)
        WHEN changed IS NOT NULL THEN format('body, volatility or settings are not the released ones: %s', changed)
        ELSE 'bodies and settings are the released ones' END,
    'usagefix apply' FROM listed
UNION ALL SELECT 'partition_functions_secure', 'Partition functions are safe',
    CASE WHEN NOT partitioned OR present = 0 THEN 'skipped' WHEN unsafe IS NOT NULL THEN 'failed' ELSE 'ok' END, names,
    CASE WHEN NOT partitioned THEN 'not partitioned' WHEN unsafe IS NOT NULL THEN unsafe
        WHEN present = 0 THEN 'no such functions' ELSE 'owned by the owner of presets, paths pinned, closed' END,
    'usagefix apply' FROM listed;
