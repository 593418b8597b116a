-- Stop before any change if apply.sql alone is not enough. Only reads.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f ../ledger.sql -f stops.sql -f apply.sql -f backfill.sql
--
-- It looks for words in functions and stops at the first doubt. `usagefix apply` reads the code, edits what has to be
-- edited, and does not need this file.

-- Look up every name in pg_catalog, and wait at most 1.5 seconds for a lock, unless lock_timeout is set already
DO $do$ BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lock_timeout', COALESCE(NULLIF(current_setting('lock_timeout'), '0'), '1500ms'), true);
END $do$;

-- By hand: stop, or allow apply.sql to begin, in this transaction only
DO $do$ DECLARE
    ours CONSTANT text[] := ARRAY[
        'auto_increment_preset_usage_count', 'auto_adjust_preset_usage_count', 'guard_preset_usage_count'];
    why text;
BEGIN
    WITH code AS (
        SELECT oid, proname AS name, lower(concat(prosrc, pg_get_function_sqlbody(oid))) AS body FROM pg_proc
        WHERE pronamespace <> 'pg_catalog'::regnamespace AND proname <> ALL (ours)
    ), suspects AS (
        SELECT oid, body FROM code WHERE body LIKE ANY (ARRAY['%usage_count%', '%conflict%', '%execute%']) OR EXISTS (
            SELECT FROM code AS called WHERE called.body LIKE '%usage_count%' AND strpos(code.body, called.name) > 0)
    )
    SELECT string_agg(reasons.why, '; ') INTO why FROM (
        SELECT format('%I owns presets, not %I', pg_get_userbyid(relowner), current_user) AS why
        FROM pg_class WHERE oid = 'public.presets'::regclass AND pg_get_userbyid(relowner) <> current_user
        UNION ALL SELECT 'the tables are partitioned or inherited, or have rules' FROM pg_class
        WHERE oid IN ('public.presets'::regclass, 'public.preset_usage'::regclass)
            AND (relkind <> 'r' OR relhasrules OR oid IN (SELECT unnest(ARRAY[inhrelid, inhparent]) FROM pg_inherits))
        UNION ALL SELECT 'last_used_at or created_at is not there, or is no timestamptz' FROM pg_attribute
        WHERE atttypid = 'timestamptz'::regtype AND (attrelid, attname) IN (
            ('public.presets'::regclass, 'last_used_at'), ('public.preset_usage'::regclass, 'created_at'))
        HAVING count(*) < 2
        UNION ALL SELECT format('index %s may limit uses', indexrelid::regclass) FROM pg_index
        LEFT JOIN pg_attribute ON attrelid = indrelid AND attrelid = 'public.preset_usage'::regclass
            AND attname = 'preset_id' AND attnum = ANY (indkey) AND indisunique AND NOT indisprimary
        WHERE (indexrelid IS NOT DISTINCT FROM to_regclass('public.idx_preset_usage_daily_unique')) = (attname IS NULL)
            OR attname IS NOT NULL AND (indisreplident OR indisclustered OR indexrelid IN (SELECT objid FROM pg_depend
                WHERE deptype = 'x' UNION ALL SELECT oid FROM pg_class WHERE reltablespace <> 0))
        UNION ALL SELECT format('trigger %I may count, too', tgname) FROM pg_trigger JOIN code ON code.oid = tgfoid
        WHERE tgrelid = 'public.preset_usage'::regclass AND NOT tgisinternal
            AND (tgname LIKE 'trigger\_auto\_%' OR tgfoid IN (SELECT oid FROM suspects))
        UNION ALL SELECT format('function %s may count, or need the daily limit', oid::regprocedure)
        FROM suspects WHERE body LIKE '%preset_usage%'
        UNION ALL SELECT format('there is another %s', oid::regprocedure) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proname = ANY (ours) AND strpos(prosrc, 'usagefix') = 0
        UNION ALL SELECT 'a search_path is set here, which triggers on presets may need' FROM pg_db_role_setting
        WHERE array_to_string(setconfig, ' ') LIKE '%search_path=%' AND EXISTS (
            SELECT FROM pg_trigger WHERE tgrelid = 'public.presets'::regclass AND NOT tgisinternal)
        UNION ALL SELECT 'default privileges open new functions' FROM pg_default_acl, aclexplode(defaclacl) AS granted
        WHERE defaclobjtype = 'f' AND pg_get_userbyid(defaclrole) = current_user
            AND granted.grantee NOT IN (0, defaclrole)
    ) AS reasons;
    IF to_regclass('pg_dist_partition') IS NOT NULL THEN SELECT COALESCE(string_agg(format('Citus keeps %s %s',
        logicalrelid, CASE partmethod WHEN 'n' THEN 'as a whole' ELSE 'distributed' END), '; '), why) INTO why
    FROM pg_dist_partition WHERE logicalrelid IN ('public.presets'::regclass, 'public.preset_usage'::regclass); END IF;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'nothing was changed, because this file is not enough here: %', why
            USING ERRCODE = 'feature_not_supported', HINT = 'usagefix apply does it, or says what to do first;'
                ' usagefix sql 20250930000001 apply --adapt prints the script for this database.';
    END IF;
    PERFORM set_config('usagefix.stops', 'public.presets'::regclass::text || ' 20250930000001', true);
END $do$;
