-- Let only the counting triggers and the backfill change the counter: whatever else writes it brings drift back.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f ../ledger.sql -f apply.sql
--
-- Needs version 20250930000001, and its backfill.sql afterwards. Running it again sets the mode back to ignore. It
-- stops mistakes, not people: privileges say who may write presets.usage_count.
--
-- kind: guard
-- effect: only the triggers change the counter

-- Find every name in pg_catalog, and wait at most a second for a lock, unless the caller has said otherwise
DO $do$ BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lock_timeout', COALESCE(NULLIF(current_setting('lock_timeout'), '0'), '1s'), true);
END $do$;

-- By hand: stop where this file alone is not enough, before it changes anything
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
        RAISE EXCEPTION 'nothing was changed, since this file is not enough here: %', why
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'usagefix apply does it;'
                ' usagefix sql 20251101000001 apply --adapt prints the script for this database.';
    END IF;
END
$do$;

-- Lock presets, with the version before in one transaction: do not wait for somebody who waits for the events
DO $do$
BEGIN
    FOR attempt IN 1 .. 100 LOOP
        EXIT WHEN NOT EXISTS (
            SELECT FROM pg_locks
            WHERE pid = pg_backend_pid() AND relation = 'public.preset_usage'::regclass
                AND mode IN ('ShareRowExclusiveLock', 'AccessExclusiveLock'));
        BEGIN
            LOCK TABLE public.presets IN SHARE ROW EXCLUSIVE MODE NOWAIT;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt = 100 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.01);
        END;
    END LOOP;
END
$do$;

-- The guard. Its trigger calls it for what is no count: the counter stays as it is, the rest of the statement goes
-- through, and the ledger notes who it was. No writer waits for another in here
CREATE OR REPLACE FUNCTION public.guard_preset_usage_count() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    caller text; client text; this text; stack text; through text;
    notes oid; filled boolean; free bigint; nth integer; starts numeric; stays numeric;
BEGIN
    -- A preset that is new, or gets another id, starts with the events that are there. Wait for who deletes that id.
    IF NEW.id IS DISTINCT FROM OLD.id THEN
        PERFORM FROM public.presets AS preset WHERE preset.id = NEW.id FOR KEY SHARE;
        IF NOT FOUND THEN
            starts := (SELECT count(*) AS uses FROM public.preset_usage AS event WHERE event.preset_id = NEW.id);
            -- It takes its own baseline along, and inherits none of a preset that had its id before.
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
        -- An upsert that leaves the counter as it is.
        SELECT FROM public.presets AS preset WHERE preset.id = NEW.id AND preset.usage_count = NEW.usage_count
    ) THEN
        NEW.usage_count := COALESCE(starts, NEW.usage_count, 0);
        RETURN NEW;
    END IF;
    caller := COALESCE(NULLIF(current_setting('role'), 'none'), session_user::text);
    client := current_setting('application_name');
    -- On a table that was swapped away; or where the counting trigger is gone, or is not the one of usagefix: somebody
    -- else has to count.
    IF COALESCE(pg_partition_root(TG_RELID), TG_RELID) <> to_regclass('public.presets') OR NOT EXISTS (
        SELECT FROM pg_trigger AS counting JOIN pg_proc AS functions ON functions.oid = counting.tgfoid
        WHERE counting.tgrelid = to_regclass('public.preset_usage') AND counting.tgenabled IN ('O', 'A')
            AND counting.tgtype = 4
            AND strpos(functions.proconfig::text, concat(', ', 'pg_usagefix_preset_usage_count_1'::name, '"')) > 0
    ) OR current_setting('usagefix.bypass_guard', true) = 'on' AND pg_trigger_depth() = 1
        AND pg_has_role(caller, current_user, 'USAGE') -- on purpose; what triggers write meanwhile is refused
    THEN
        RETURN NEW;
    END IF;

    -- The functions that led here, the nearest first.
    GET DIAGNOSTICS stack = PG_CONTEXT;
    through := array_to_string(ARRAY(SELECT regexp_matches(stack, E'\n\\S+ function (.+?[)"]) ', 'gn')), ' < ');
    -- Not in a ledger that was lost, or that the owner of presets does not trust; nor for usagefix smoke, which leaves
    -- nothing: what a sequence gave is never given back.
    SELECT tables.oid INTO notes
    FROM pg_class AS tables JOIN pg_namespace AS ledger ON ledger.oid = tables.relnamespace
    WHERE ledger.nspname = 'usagefix' AND tables.relname = 'refused_writes'
        AND pg_has_role(ledger.nspowner, current_user, 'MEMBER') AND has_schema_privilege(ledger.oid, 'USAGE')
        AND pg_has_role(tables.relowner, current_user, 'MEMBER') AND has_table_privilege(tables.oid, 'UPDATE')
        AND (current_setting('usagefix.smoke', true) = 'on' AND pg_has_role(session_user, current_user, 'USAGE'))
            IS NOT TRUE;
    this := pg_current_xact_id()::text;
    -- In a row that nobody holds, of at most 150. A row that one transaction updates often makes each update slower. In
    -- a fixed snapshot it reads nothing and adds a row: one that changed since, or was read, would end the transaction.
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
    IF notes IS NULL THEN
        NULL;
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
        RAISE EXCEPTION 'the counter usage_count is not for this to write: %', COALESCE(NULLIF(through, ''), TG_OP)
            USING ERRCODE = 'UF001', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'usage_count',
                  HINT = 'The triggers on preset_usage count each event by themselves: leave usage_count out.';
    ELSIF TG_ARGV[0] = 'warn' THEN
        RAISE WARNING 'the counter usage_count is not for this to write: %', COALESCE(NULLIF(through, ''), TG_OP);
    END IF;
    NEW.usage_count := COALESCE(starts, CASE WHEN TG_OP = 'INSERT' THEN 0 ELSE OLD.usage_count END);
    RETURN NEW;
END
$function$;

-- Nobody calls it: it is for the trigger
REVOKE ALL ON FUNCTION public.guard_preset_usage_count() FROM PUBLIC;

-- The trigger, the last by name, since others may change the row before. What it lets through is a count: under the
-- path of a function that counts this counter, as deep in triggers as it says, by who may grant rights on presets
CREATE OR REPLACE TRIGGER zz_trigger_guard_preset_usage_count
    BEFORE INSERT OR UPDATE ON public.presets
    FOR EACH ROW
    WHEN ((split_part(current_setting('search_path'), 'pg_usagefix_preset_usage_count_'::text, -1) =
        NULLIF(pg_trigger_depth(), 0)::text
        AND has_table_privilege('public.presets'::regclass, 'TRIGGER WITH GRANT OPTION')) IS NOT TRUE)
    EXECUTE FUNCTION public.guard_preset_usage_count('ignore');

-- Note that there was nothing before, where nothing is noted yet: rollback drops it
INSERT INTO usagefix.saved_objects (counter, version, kind, identity)
SELECT 'preset_usage_count'::name, '20251101000001', 'function', 'public.guard_preset_usage_count()'::regprocedure::text
ON CONFLICT DO NOTHING;

-- Record the version
INSERT INTO usagefix.history (counter, version, action) VALUES ('preset_usage_count'::name, '20251101000001', 'apply');
