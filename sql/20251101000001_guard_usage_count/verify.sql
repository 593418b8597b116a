-- Do only the counting triggers change the counter now? Only reads; takes no locks that block.
--
--   psql "$DATABASE_URL" -f verify.sql
--
-- Checks what this version created. verify.sql of version 20250930000001 says whether the counters are right.

-- Look up every name in pg_catalog, so that nothing that others created is called instead
DO $do$ BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false);
END $do$;

-- Objects
WITH guard AS (
    SELECT existing.oid, presets.relkind = 'p' AS partitioned, existing.tgenabled IN ('O', 'A') AS enabled,
        split_part(encode(existing.tgargs, 'escape'), E'\\000', 1) AS mode,
        existing.tgfoid IS NOT DISTINCT FROM to_regprocedure('public.guard_preset_usage_count()')
            AND existing.tgtype = CASE WHEN presets.relkind = 'p' THEN 19 ELSE 23 END
            AND existing.tgattr::text = '' AS as_released,
        (
            SELECT string_agg(format('%I on %s', again.tgname, again.tgrelid::regclass), ', ')
            FROM pg_trigger AS again
            WHERE again.tgfoid = to_regprocedure('public.guard_preset_usage_count()') AND again.tgenabled IN ('O', 'A')
                AND again.tgname <> 'zz_trigger_guard_preset_usage_count'::name AND again.tgparentid = 0
                AND COALESCE(pg_partition_root(again.tgrelid), again.tgrelid) = presets.oid
        ) AS again,
        EXISTS (
            SELECT FROM pg_trigger AS counting JOIN pg_proc AS functions ON functions.oid = counting.tgfoid
            WHERE counting.tgrelid = to_regclass('public.preset_usage') AND counting.tgenabled IN ('O', 'A')
                AND counting.tgtype = 4
                AND strpos(functions.proconfig::text, concat(', ', 'pg_usagefix_preset_usage_count_1'::name, '"')) > 0
        ) AS counted,
        strpos(replace(pg_get_triggerdef(existing.oid), '"', ''), format(
            ' WHEN ((((split_part(current_setting(''search_path''::text), ''%s''::text, ''-1''::integer) ='
            ' (NULLIF(pg_trigger_depth(), 0))::text) AND has_table_privilege('
            '(''%s''::regclass)::oid, ''TRIGGER WITH GRANT OPTION''::text)) IS NOT TRUE)) EXECUTE FUNCTION ',
            'pg_usagefix_preset_usage_count_'::name,
            replace(translate(presets.oid::regclass::text, '"', ''), '''', '''''')
        )) > 0 AS conditioned
    FROM (VALUES (1)) AS one
    LEFT JOIN pg_class AS presets ON presets.oid = to_regclass('public.presets')
    LEFT JOIN pg_trigger AS existing
        ON existing.tgrelid = presets.oid AND existing.tgname = 'zz_trigger_guard_preset_usage_count'::name
), guard_function AS (
    SELECT proc.oid, proc.prosecdef AS definer,
        NULLIF(concat_ws(', ', CASE WHEN md5(proc.prosrc) <> 'e93b7c58c4d4a82e70ad7ae457ede7dd'
                THEN 'its body is not the released one' END,
            CASE proc.provolatile WHEN 's' THEN 'it is STABLE' WHEN 'i' THEN 'it is IMMUTABLE' END,
            CASE WHEN proc.proisstrict THEN 'it is STRICT' END, (
                SELECT string_agg(CASE WHEN starts_with(entry, 'search_path=') THEN
                    'its search_path is not the one that apply sets'
                    ELSE format('it sets %s', split_part(entry, '=', 1)) END, ', ' ORDER BY entry)
                FROM unnest(proc.proconfig) AS config (entry) WHERE entry <> 'search_path=pg_catalog, pg_temp'
            )), '') AS other,
        quote_ident(owners.rolname) AS owner,
        proc.proowner <> presets.relowner AS misowned,
        presets.relrowsecurity AND NOT (owners.rolsuper OR owners.rolbypassrls)
            AND (presets.relforcerowsecurity OR NOT pg_has_role(proc.proowner, presets.relowner, 'USAGE')) AS hidden,
        EXISTS (
            SELECT FROM aclexplode(COALESCE(proc.proacl, acldefault('f', proc.proowner))) AS granted
            WHERE granted.grantee <> proc.proowner
        ) AS open,
        COALESCE(array_to_string(proc.proconfig, ';') LIKE '%search\_path=%pg\_temp%', false) AS pinned
    FROM (VALUES (to_regprocedure('public.guard_preset_usage_count()'))) AS wanted (function)
    LEFT JOIN pg_proc AS proc ON proc.oid = wanted.function
    LEFT JOIN pg_roles AS owners ON owners.oid = proc.proowner
    LEFT JOIN pg_class AS presets ON presets.oid = to_regclass('public.presets')
)
SELECT 'guard_enabled' AS check_id,
    'Only the triggers change the counter' AS title,
    CASE WHEN oid IS NULL THEN 'missing' WHEN NOT enabled OR NOT counted OR again IS NOT NULL THEN 'failed'
        WHEN NOT as_released OR NOT conditioned OR mode NOT IN ('ignore', 'warn', 'reject') THEN 'outdated'
        ELSE 'ok' END AS status,
    'zz_trigger_guard_preset_usage_count'::name::text AS object,
    CASE WHEN oid IS NULL THEN 'no such trigger on presets'
        WHEN NOT enabled THEN 'the trigger is disabled'
        WHEN NOT counted THEN 'it lets every write pass: the counting trigger is missing, or not the one of usagefix'
        WHEN NOT as_released OR NOT conditioned OR mode NOT IN ('ignore', 'warn', 'reject')
            THEN 'not the trigger that apply creates'
        WHEN again IS NOT NULL THEN format('another trigger calls the guard, too: %s', again)
        ELSE format('mode %s', mode) END AS detail,
    CASE WHEN NOT enabled THEN format('ALTER TABLE %s ENABLE TRIGGER %I, then usagefix backfill',
            'public.presets'::regclass, 'zz_trigger_guard_preset_usage_count'::name) ELSE 'usagefix apply' END AS hint
FROM guard
UNION ALL
SELECT 'guard_function_current', 'Guard function as released',
    CASE WHEN oid IS NULL THEN 'missing' WHEN other IS NOT NULL THEN 'outdated' ELSE 'ok' END,
    format('%s()', 'guard_preset_usage_count'::name),
    CASE WHEN oid IS NULL THEN 'no such function' ELSE COALESCE(other, 'its body is the released one') END,
    'usagefix apply'
FROM guard_function
UNION ALL
SELECT 'guard_function_secure', 'Guard function is safe',
    CASE WHEN oid IS NULL THEN 'skipped' WHEN NOT definer OR hidden OR misowned OR open OR NOT pinned THEN 'failed'
        ELSE 'ok' END,
    format('%s()', 'guard_preset_usage_count'::name),
    CASE WHEN oid IS NULL THEN 'no such function'
        WHEN NOT definer THEN 'not SECURITY DEFINER: the ledger is closed to it'
        WHEN misowned THEN 'its owner is not the owner of presets'
        WHEN hidden THEN 'RLS hides presets from its owner'
        WHEN open THEN 'other roles may execute it'
        WHEN NOT pinned THEN 'its search_path is not pinned'
        ELSE 'owned by the owner of presets, path pinned, closed' END,
    CASE WHEN hidden AND NOT misowned THEN format('ALTER ROLE %s BYPASSRLS, then usagefix backfill', owner)
        ELSE 'usagefix apply' END
FROM guard_function;
