-- Do only the counting triggers change the counter right now? Reads only; locks nothing.
--
--   psql "$DATABASE_URL" -f verify.sql
--
-- The checks of what this version made; whether the counters are right says verify.sql of version 20250930000001.

-- Objects
WITH guarded AS (
    SELECT tables.oid AS relation, tables.relkind AS kind, pg_get_userbyid(tables.relowner)::text AS owner
    FROM pg_catalog.pg_class AS tables WHERE tables.oid = to_regclass('public.presets')
), wanted AS (
    SELECT guarded.relation, triggers.name, triggers.type,
        CASE WHEN triggers.type = 7 THEN '(new.usage_count IS DISTINCT FROM 0)'
            ELSE format('((old.usage_count IS DISTINCT FROM new.usage_count) AND ((CURRENT_USER <> %L::name) OR ((NULLIF(pg_trigger_depth(), 0))::text'
                ' IS DISTINCT FROM COALESCE(current_setting(''usagefix.counting''::text, true), ''''::text))))', guarded.owner)
            END AS condition
    FROM guarded
    CROSS JOIN (VALUES ('trigger_guard_preset_usage_count', 19), ('zz_trigger_guard_preset_usage_count', 19),
        ('trigger_guard_preset_usage_count_insert', 7)) AS triggers (name, type)
    WHERE triggers.type <> 7 OR guarded.kind <> 'p'
), found AS (
    SELECT wanted.name, existing.oid AS trigger, existing.tgenabled IN ('O', 'A') AS enabled,
        split_part(encode(existing.tgargs, 'escape'), '\000', 1) AS mode,
        existing.tgtype = wanted.type AND existing.tgattr::text = '' AND existing.tgnargs = 1
            AND existing.tgfoid IS NOT DISTINCT FROM to_regprocedure('public.guard_preset_usage_count()') AS released,
        -- Of a counter that is no integer, the 0 has a cast.
        regexp_replace(substring(pg_get_triggerdef(existing.oid) FROM ' WHEN \((.*)\) EXECUTE FUNCTION '), '\(0\)::\w+', '0')
            IS NOT DISTINCT FROM wanted.condition AS conditioned
    FROM wanted
    LEFT JOIN pg_catalog.pg_trigger AS existing ON existing.tgrelid = wanted.relation AND existing.tgname = wanted.name
), guard AS (
    SELECT count(trigger) AS present, bool_and(COALESCE(enabled, false)) AS enabled,
        bool_and(COALESCE(released, false)) AND min(mode) = max(mode) AND min(mode) IN ('ignore', 'warn', 'reject') AS released,
        bool_and(conditioned) AS conditioned, min(mode) AS mode,
        string_agg(name, ', ' ORDER BY name) FILTER (WHERE trigger IS NULL) AS absent,
        string_agg(name, ', ' ORDER BY name) FILTER (WHERE NOT enabled) AS disabled
    FROM found
), guard_function AS (
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
    WHERE proc.oid = to_regprocedure('public.guard_preset_usage_count()')
)
SELECT 'guard_enabled' AS check_id,
    'Only the triggers change the counter' AS title,
    CASE WHEN guard.present = 0 THEN 'missing'
        WHEN guard.absent IS NOT NULL OR NOT guard.enabled THEN 'failed'
        WHEN NOT guard.released OR NOT guard.conditioned THEN 'outdated'
        ELSE 'ok' END AS status,
    'trigger_guard_preset_usage_count' AS object,
    CASE WHEN guard.present = 0 THEN 'no such triggers on presets'
        WHEN guard.absent IS NOT NULL THEN format('no trigger %s', guard.absent)
        WHEN NOT guard.enabled THEN format('disabled: %s', guard.disabled)
        WHEN NOT guard.released THEN 'not the triggers that apply creates'
        WHEN NOT guard.conditioned THEN 'not the condition that apply writes for this owner of presets'
        ELSE format('mode %s', guard.mode) END AS detail,
    CASE WHEN guard.present > 0 AND NOT guard.enabled AND guard.absent IS NULL
        THEN 'ALTER TABLE public.presets ENABLE TRIGGER …, then usagefix backfill' ELSE 'usagefix apply' END AS hint
FROM guard
UNION ALL
SELECT 'guard_function_current', 'Guard function as released',
    CASE WHEN existing.oid IS NULL THEN 'missing' WHEN md5(existing.prosrc) <> 'dac69ae1b21b4535b19a06606674d9e7' THEN 'outdated' ELSE 'ok' END,
    'guard_preset_usage_count()',
    CASE WHEN existing.oid IS NULL THEN 'no such function'
        WHEN md5(existing.prosrc) <> 'dac69ae1b21b4535b19a06606674d9e7' THEN 'its body is not the released one'
        ELSE 'its body is the released one' END,
    'usagefix apply'
FROM (VALUES (1)) AS one LEFT JOIN guard_function AS existing ON true
UNION ALL
SELECT 'guard_function_secure', 'Guard function is safe',
    CASE WHEN existing.oid IS NULL THEN 'skipped'
        WHEN NOT existing.prosecdef OR existing.misowned OR existing.blocked_by_rls OR existing.hidden_by_rls OR existing.open_to_others
            OR NOT COALESCE(array_to_string(existing.proconfig, ';') LIKE '%search\_path=%pg\_temp%', false) THEN 'failed'
        ELSE 'ok' END,
    'guard_preset_usage_count()',
    CASE WHEN existing.oid IS NULL THEN 'no such function'
        WHEN NOT existing.prosecdef THEN 'not SECURITY DEFINER: the ledger is closed to it'
        WHEN existing.blocked_by_rls OR existing.hidden_by_rls THEN 'RLS hides presets from its owner'
        WHEN existing.misowned THEN 'its owner is not the owner of presets'
        WHEN existing.open_to_others THEN 'other roles may execute it'
        WHEN NOT COALESCE(array_to_string(existing.proconfig, ';') LIKE '%search\_path=%pg\_temp%', false)
            THEN 'its search_path is not pinned'
        ELSE 'passes RLS, path pinned, closed' END,
    CASE WHEN existing.blocked_by_rls OR existing.hidden_by_rls
            THEN 'give the function an owner with BYPASSRLS, then usagefix apply'
        ELSE 'usagefix apply' END
FROM (VALUES (1)) AS one LEFT JOIN guard_function AS existing ON true;
