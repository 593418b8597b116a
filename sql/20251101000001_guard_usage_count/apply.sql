-- Let only the counting triggers and the backfill change the counter. Any other write of it would bring drift back.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f ../ledger.sql -f apply.sql
--
-- Apply version 20250930000001 first, and run its backfill.sql afterwards. A second run sets the mode back to ignore.
-- The guard stops mistakes, not people: privileges decide who may write presets.usage_count.
--
-- kind: guard
-- effect: only the triggers change the counter

-- Look up every name in pg_catalog, and wait at most 1.5 seconds for a lock, unless lock_timeout is set already
DO $do$ BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lock_timeout', COALESCE(NULLIF(current_setting('lock_timeout'), '0'), '1500ms'), true);
END $do$;

-- By hand: stop before any change if this file alone is not enough
DO $do$
DECLARE
    why text;
BEGIN
    SELECT string_agg(reasons.why, '; ') INTO why
    FROM (
        SELECT 'version 20250930000001 is not applied' AS why
        WHERE to_regprocedure('public.auto_increment_preset_usage_count()') IS NULL
        UNION ALL
        SELECT format('%I owns presets, not %I', pg_get_userbyid(relowner), current_user)
        FROM pg_class WHERE oid = 'public.presets'::regclass AND pg_get_userbyid(relowner) <> current_user
        UNION ALL
        SELECT 'presets is partitioned' FROM pg_class WHERE oid = 'public.presets'::regclass AND relkind = 'p'
        UNION ALL
        SELECT format('there is another %s', oid::regprocedure)
        FROM pg_proc
        WHERE oid = to_regprocedure('public.guard_preset_usage_count()') AND strpos(prosrc, 'usagefix') = 0
        UNION ALL
        SELECT format('there is another trigger %I', existing.tgname)
        FROM pg_trigger AS existing
        WHERE existing.tgrelid = 'public.presets'::regclass
            AND existing.tgname = 'zz_trigger_guard_preset_usage_count'
            AND existing.tgfoid IS DISTINCT FROM to_regprocedure('public.guard_preset_usage_count()')
        UNION ALL
        SELECT 'default privileges open new functions' FROM pg_default_acl, aclexplode(defaclacl) AS granted
        WHERE defaclobjtype = 'f' AND pg_get_userbyid(defaclrole) = current_user
            AND granted.grantee NOT IN (0, defaclrole)
    ) AS reasons;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'nothing was changed, because this file is not enough here: %', why
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'usagefix apply does it;'
                ' usagefix sql 20251101000001 apply --adapt prints the script for this database.';
    END IF;
END
$do$;

-- Lock presets. If this transaction holds the events already, do not wait for a session that waits for these
DO $do$ BEGIN
    LOCK TABLE public.presets IN SHARE UPDATE EXCLUSIVE MODE; -- no autovacuum is in the way from here on
    FOR attempt IN 1 .. 100 LOOP
        EXIT WHEN NOT EXISTS (
            SELECT FROM pg_locks
            WHERE pid = pg_backend_pid() AND relation = 'public.preset_usage'::regclass
                AND mode IN ('ShareRowExclusiveLock', 'AccessExclusiveLock'));
        BEGIN
            LOCK TABLE public.presets IN SHARE ROW EXCLUSIVE MODE NOWAIT;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt = 100 THEN RAISE; END IF;
            PERFORM pg_sleep(0.01);
        END;
    END LOOP;
END $do$;

-- The guard. Its trigger calls it for every write that is no count. It keeps the counter, lets the rest of the
-- statement succeed, and records who wrote. No writer waits for another one here
CREATE OR REPLACE FUNCTION public.guard_preset_usage_count() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    caller text; client text; this text; stack text; through text;
    notes oid; filled boolean; free bigint; nth integer; starts numeric; stays numeric;
BEGIN
    -- A new preset, or one with a new id, starts with the events that exist. Wait for a session that deletes that id.
    IF NEW.id IS DISTINCT FROM OLD.id THEN
        PERFORM FROM public.presets AS preset WHERE preset.id = NEW.id FOR KEY SHARE;
        IF NOT FOUND THEN
            starts := (SELECT count(*) AS uses FROM public.preset_usage AS event WHERE event.preset_id = NEW.id);
            -- It keeps its own baseline, and does not inherit the baseline of an earlier preset with this id.
            IF EXISTS (
                SELECT FROM pg_class AS part JOIN pg_namespace AS ledger ON ledger.oid = part.relnamespace
                WHERE ledger.nspname = 'usagefix' AND part.relname = 'baselines' AND part.relkind = 'r'
                    AND pg_has_role(ledger.nspowner, current_user, 'MEMBER')
                    AND pg_has_role(part.relowner, current_user, 'MEMBER')
                    AND has_schema_privilege(ledger.oid, 'USAGE') AND has_table_privilege(part.oid, 'UPDATE')
            ) THEN
                DELETE FROM usagefix.baselines AS noted
                WHERE noted.counter = 'preset_usage_count'::name AND noted.row_key = NEW.id::text;
                UPDATE usagefix.baselines AS noted SET row_key = NEW.id::text
                WHERE noted.counter = 'preset_usage_count'::name AND noted.row_key = OLD.id::text
                RETURNING noted.baseline INTO stays;
                starts := starts + COALESCE(stays, 0);
            END IF;
        END IF;
    ELSIF NEW.usage_count IS NOT DISTINCT FROM OLD.usage_count THEN
        RETURN NEW; -- an update of anything else
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF NEW.usage_count IS NOT DISTINCT FROM OLD.usage_count THEN
            NEW.usage_count := COALESCE(starts, NEW.usage_count);
            RETURN NEW;
        END IF;
    ELSIF COALESCE(NEW.usage_count, 0) IN (0, starts) OR EXISTS (
        -- An upsert that does not change the counter.
        SELECT FROM public.presets AS preset WHERE preset.id = NEW.id AND preset.usage_count = NEW.usage_count
    ) THEN
        NEW.usage_count := COALESCE(starts, NEW.usage_count, 0);
        RETURN NEW;
    END IF;
    caller := COALESCE(NULLIF(current_setting('role'), 'none'), session_user::text);
    client := current_setting('application_name');
    -- Allow the write if the table was replaced, or if the counting trigger is missing or not the one of usagefix:
    -- something else has to count then.
    IF COALESCE(pg_partition_root(TG_RELID), TG_RELID) <> to_regclass('public.presets') OR NOT EXISTS (
        SELECT FROM pg_trigger AS counting JOIN pg_proc AS functions ON functions.oid = counting.tgfoid
        WHERE counting.tgrelid = to_regclass('public.preset_usage') AND counting.tgenabled IN ('O', 'A')
            AND counting.tgtype = 4
            AND strpos(functions.proconfig::text, concat(', ', 'pg_usagefix_preset_usage_count_1'::name, '"')) > 0
    ) OR current_setting('usagefix.bypass_guard', true) = 'on' AND pg_trigger_depth() = 1
        AND pg_has_role(caller, current_user, 'USAGE') -- the owner, on purpose; triggers may not
    THEN
        RETURN NEW;
    END IF;

    -- The functions that led to this write, the nearest first.
    GET DIAGNOSTICS stack = PG_CONTEXT;
    through := array_to_string(ARRAY(SELECT regexp_matches(stack, E'\n\\S+ function (.+?[)"]) ', 'gn')), ' < ');
    -- Do not record in a ledger that is missing, or that the owner of presets does not trust; nor for usagefix smoke,
    -- because a rollback does not undo nextval().
    SELECT tables.oid INTO notes
    FROM pg_class AS tables JOIN pg_namespace AS ledger ON ledger.oid = tables.relnamespace
    WHERE ledger.nspname = 'usagefix' AND tables.relname = 'refused_writes'
        AND pg_has_role(ledger.nspowner, current_user, 'MEMBER') AND has_schema_privilege(ledger.oid, 'USAGE')
        AND pg_has_role(tables.relowner, current_user, 'MEMBER') AND has_table_privilege(tables.oid, 'UPDATE')
        AND (current_setting('usagefix.smoke', true) = 'on' AND pg_has_role(session_user, current_user, 'USAGE'))
            IS NOT TRUE;
    this := pg_current_xact_id()::text;
    -- Update a row that nobody has locked, of at most 150, and not often in one transaction, which would be slow. With
    -- a fixed snapshot, only add a row: to read or update one that another session changed would end the transaction.
    IF notes IS NOT NULL AND current_setting('transaction_isolation') LIKE 'read%' THEN
        filled := (
            SELECT count(*) >= 150 FROM usagefix.refused_writes AS written
            WHERE written.counter = 'preset_usage_count'::name);
        SELECT written.entry, CASE WHEN written.in_transaction = this THEN written.at_once + 1 ELSE 1 END INTO free, nth
        FROM usagefix.refused_writes AS written
        WHERE (written.mode, written.role, written.application, written.via) = (TG_ARGV[0], caller, client, through)
            AND written.counter = 'preset_usage_count'::name
        LIMIT 1 FOR UPDATE SKIP LOCKED;
    END IF;
    IF notes IS NULL THEN NULL;
    ELSIF TG_ARGV[0] = 'reject' THEN
        PERFORM nextval('usagefix.rejected_preset_usage_count'::regclass);
    ELSIF nth > 100 OR free IS NULL AND COALESCE(filled, pg_relation_size(notes) > 1000000) THEN
        PERFORM nextval('usagefix.unnoted_preset_usage_count'::regclass);
    ELSIF free IS NULL THEN
        INSERT INTO usagefix.refused_writes (counter, mode, role, application, via, in_transaction)
        VALUES ('preset_usage_count'::name, TG_ARGV[0], caller, client, through, this);
    ELSE
        UPDATE usagefix.refused_writes AS written
        SET writes = written.writes + 1, last_at = clock_timestamp(), in_transaction = this, at_once = nth
        WHERE written.entry = free;
    END IF;

    IF TG_ARGV[0] = 'reject' THEN
        RAISE EXCEPTION 'the guard refused a write of the counter usage_count: %', COALESCE(NULLIF(through, ''), TG_OP)
            USING ERRCODE = 'UF001', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'usage_count',
                  HINT = 'The triggers on preset_usage count each event: remove usage_count from the statement.';
    ELSIF TG_ARGV[0] = 'warn' THEN
        RAISE WARNING 'the guard left the counter usage_count as it was: %', COALESCE(NULLIF(through, ''), TG_OP);
    END IF;
    NEW.usage_count := COALESCE(starts, CASE WHEN TG_OP = 'INSERT' THEN 0 ELSE OLD.usage_count END);
    RETURN NEW;
END
$function$;

-- Only the trigger calls it
REVOKE ALL ON FUNCTION public.guard_preset_usage_count() FROM PUBLIC;

-- The trigger fires last, by its name, because others may change the row before. It does not call the guard for a
-- count: under the path of a function that counts this counter, at its depth, by a role that may grant on presets
CREATE OR REPLACE TRIGGER zz_trigger_guard_preset_usage_count
    BEFORE INSERT OR UPDATE ON public.presets
    FOR EACH ROW
    WHEN ((split_part(current_setting('search_path'), 'pg_usagefix_preset_usage_count_'::text, -1) =
        NULLIF(pg_trigger_depth(), 0)::text
        AND has_table_privilege('public.presets'::regclass, 'TRIGGER WITH GRANT OPTION')) IS NOT TRUE)
    EXECUTE FUNCTION public.guard_preset_usage_count('ignore');

-- Record that it did not exist before, unless a record exists: rollback drops it
INSERT INTO usagefix.saved_objects (counter, version, kind, identity)
SELECT 'preset_usage_count'::name, '20251101000001', 'function', 'public.guard_preset_usage_count()'::regprocedure::text
ON CONFLICT DO NOTHING;

-- Record the version
INSERT INTO usagefix.history (counter, version, action) VALUES ('preset_usage_count'::name, '20251101000001', 'apply');
