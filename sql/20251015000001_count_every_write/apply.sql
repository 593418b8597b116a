-- Count what is taken away, too: deleted events, events that move to another preset, TRUNCATE.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f apply.sql -f backfill.sql
--
-- Needs version 20250930000001, which counts what is added. Running it again changes nothing. See sql/README.md.

-- Wait at most a second for a lock, unless the caller has said otherwise.
DO $do$
BEGIN
    IF current_setting('lock_timeout') = '0' THEN
        PERFORM set_config('lock_timeout', '1s', true);
    END IF;
END
$do$;

-- Refuse where the version before is not there, or somebody else calls the function. Nothing has been changed yet.
DO $do$
DECLARE
    other text;
BEGIN
    IF to_regprocedure('usagefix.secure_function(regprocedure)') IS NULL
        OR to_regprocedure('public.auto_increment_preset_usage_count()') IS NULL THEN
        RAISE EXCEPTION 'version 20250930000001 is not applied'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Apply it first.';
    END IF;
    SELECT format('%s on %s', existing.tgname, existing.tgrelid::regclass) INTO other
    FROM pg_catalog.pg_trigger AS existing
    WHERE existing.tgfoid = to_regprocedure('public.auto_adjust_preset_usage_count()')
        AND NOT (existing.tgrelid IN (SELECT relation FROM usagefix.event_tables())
                 AND existing.tgname LIKE 'trigger\_auto\_adjust\_preset\_usage\_count%')
    LIMIT 1;
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'another trigger calls auto_adjust_preset_usage_count() too: %', other
            USING ERRCODE = 'feature_not_supported', HINT = 'Drop that trigger, then run this again.';
    END IF;
END
$do$;

-- Note what is there before it is replaced. Only once: a second run finds our own objects.
SELECT usagefix.save_function('20251015000001', 'public.auto_adjust_preset_usage_count()'),
    usagefix.save_trigger('20251015000001', 'trigger_auto_adjust_preset_usage_count_delete'),
    usagefix.save_trigger('20251015000001', 'trigger_auto_adjust_preset_usage_count_update'),
    usagefix.save_trigger('20251015000001', 'trigger_auto_adjust_preset_usage_count_truncate');

-- Create the adjusting function. It adds, for each preset that a statement touched, what the statement changed in all, in
-- the order of their ids; where that is nothing, it writes nothing. The time of the last use stays when events go.
CREATE OR REPLACE FUNCTION public.auto_adjust_preset_usage_count() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $function$
DECLARE
    changes refcursor;
    change record;
    below_zero boolean := false;
    permit text; -- see auto_increment_preset_usage_count()
BEGIN
    IF TG_ARGV[0] OPERATOR(pg_catalog.=) 'enter' THEN
        -- See auto_increment_preset_usage_count(): statements on the whole of a partitioned table.
        PERFORM pg_catalog.set_config('usagefix.whole', pg_catalog.concat(
            pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.-) 1, ',', pg_catalog.current_setting('usagefix.whole', true)), true);
        RETURN NULL;
    ELSIF TG_ARGV[0] OPERATOR(pg_catalog.=) 'leave' THEN
        PERFORM pg_catalog.set_config('usagefix.whole', pg_catalog.regexp_replace(
            pg_catalog.current_setting('usagefix.whole', true), '^\d+,', ''), true);
        RETURN NULL;
    ELSIF TG_ARGV[0] OPERATOR(pg_catalog.=) 'partition' AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_inherits AS parent WHERE parent.inhrelid OPERATOR(pg_catalog.=) TG_RELID
    ) THEN
        RETURN NULL; -- a partition that was detached since
    ELSIF TG_OP OPERATOR(pg_catalog.=) 'TRUNCATE' AND TG_ARGV[0] OPERATOR(pg_catalog.=) 'whole' AND TG_WHEN OPERATOR(pg_catalog.=) 'BEFORE' THEN
        PERFORM pg_catalog.set_config('usagefix.truncating', 'on', true);
        RETURN NULL;
    ELSIF TG_OP OPERATOR(pg_catalog.=) 'TRUNCATE' AND TG_ARGV[0] OPERATOR(pg_catalog.=) 'whole' THEN
        -- No event is left, and none comes before this commits: every counter is 0, whatever it lacked.
        PERFORM pg_catalog.set_config('usagefix.truncating', '', true);
        PERFORM FROM public.presets AS preset ORDER BY preset.id FOR NO KEY UPDATE;
        permit := pg_catalog.set_config('usagefix.counting', pg_catalog.pg_trigger_depth()::pg_catalog.text, true);
        UPDATE public.presets AS preset SET usage_count = 0 WHERE preset.usage_count IS DISTINCT FROM 0;
        below_zero := true;
    ELSE
        IF TG_OP OPERATOR(pg_catalog.=) 'TRUNCATE' THEN
            IF pg_catalog.current_setting('usagefix.truncating', true) OPERATOR(pg_catalog.=) 'on' THEN
                RETURN NULL; -- the whole table goes
            END IF;
            -- Before the partition is emptied; afterwards nobody knows what was in it.
            OPEN changes FOR EXECUTE pg_catalog.format(
                'SELECT event.preset_id, OPERATOR(pg_catalog.-) pg_catalog.count(*) AS uses, NULL::pg_catalog.timestamptz AS newest'
                ' FROM ONLY %s AS event GROUP BY event.preset_id ORDER BY event.preset_id', TG_RELID::pg_catalog.regclass);
        ELSIF TG_LEVEL OPERATOR(pg_catalog.=) 'ROW' THEN
            OPEN changes FOR
                SELECT event.preset_id, pg_catalog.sum(event.uses) AS uses, pg_catalog.max(event.created_at) AS newest
                FROM (
                    SELECT OLD.preset_id, -1 AS uses, NULL AS created_at
                    UNION ALL
                    SELECT NEW.preset_id, 1, NEW.created_at WHERE TG_OP OPERATOR(pg_catalog.=) 'UPDATE'
                ) AS event
                GROUP BY event.preset_id HAVING pg_catalog.sum(event.uses) OPERATOR(pg_catalog.<>) 0 ORDER BY event.preset_id;
        ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
            OPEN changes FOR
                SELECT event.preset_id, OPERATOR(pg_catalog.-) pg_catalog.count(*) AS uses, NULL::pg_catalog.timestamptz AS newest
                FROM old_events AS event
                GROUP BY event.preset_id ORDER BY event.preset_id;
        ELSE
            -- A foreign key with ON UPDATE CASCADE follows a preset that got another id: its counter went along.
            IF EXISTS (
                SELECT FROM pg_catalog.pg_constraint AS cascade
                WHERE cascade.confrelid OPERATOR(pg_catalog.=) 'public.presets'::pg_catalog.regclass AND cascade.confupdtype = 'c'
                    AND cascade.conrelid OPERATOR(pg_catalog.=) 'public.preset_usage'::pg_catalog.regclass
            ) AND EXISTS (
                SELECT FROM (SELECT event.preset_id FROM old_events AS event LIMIT 1) AS gone
                WHERE NOT EXISTS (SELECT FROM public.presets AS preset WHERE preset.id OPERATOR(pg_catalog.=) gone.preset_id)
            ) THEN
                RETURN NULL;
            END IF;
            OPEN changes FOR
                SELECT event.preset_id, pg_catalog.sum(event.uses) AS uses, pg_catalog.max(event.newer) AS newest
                FROM (
                    SELECT gone.preset_id, -1 AS uses, gone.created_at AS older, NULL AS newer FROM old_events AS gone
                    UNION ALL
                    SELECT come.preset_id, 1, NULL, come.created_at FROM new_events AS come
                ) AS event
                GROUP BY event.preset_id
                -- Or an event became a later one.
                HAVING pg_catalog.sum(event.uses) OPERATOR(pg_catalog.<>) 0
                    OR pg_catalog.max(event.newer) OPERATOR(pg_catalog.>) COALESCE(pg_catalog.max(event.older), '-infinity') --? presets.last_used_at, preset_usage.created_at
                ORDER BY event.preset_id;
        END IF;
        LOOP
            FETCH changes INTO change;
            EXIT WHEN NOT FOUND;
            permit := pg_catalog.set_config('usagefix.counting', pg_catalog.pg_trigger_depth()::pg_catalog.text, true);
            IF change.uses OPERATOR(pg_catalog.=) 0 THEN
                UPDATE public.presets AS preset SET last_used_at = change.newest --? presets.last_used_at, preset_usage.created_at
                WHERE preset.id OPERATOR(pg_catalog.=) change.preset_id --? presets.last_used_at, preset_usage.created_at
                    AND (preset.last_used_at IS NULL OR change.newest OPERATOR(pg_catalog.>) preset.last_used_at); --? presets.last_used_at, preset_usage.created_at
                CONTINUE;
            END IF;
            UPDATE public.presets AS preset
            SET usage_count = COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) change.uses
              , last_used_at = GREATEST(preset.last_used_at, change.newest) --? presets.last_used_at, preset_usage.created_at
            WHERE preset.id OPERATOR(pg_catalog.=) change.preset_id
                AND COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) change.uses OPERATOR(pg_catalog.>=) 0;
            IF NOT FOUND THEN
                -- A counter that was too low stops at 0 (the preset may also be gone).
                UPDATE public.presets AS preset
                SET usage_count = GREATEST(COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) change.uses, 0)
                  , last_used_at = GREATEST(preset.last_used_at, change.newest) --? presets.last_used_at, preset_usage.created_at
                WHERE preset.id OPERATOR(pg_catalog.=) change.preset_id;
                below_zero := below_zero OR FOUND;
            END IF;
        END LOOP;
        CLOSE changes;
    END IF;
    permit := pg_catalog.set_config('usagefix.counting', '', true);
    -- Deltas that a backfill has still to add do not fit any more: tell it to count again.
    IF below_zero AND EXISTS (
        SELECT FROM pg_catalog.pg_class AS note
        JOIN pg_catalog.pg_namespace AS ledger ON ledger.oid OPERATOR(pg_catalog.=) note.relnamespace
        WHERE ledger.nspname OPERATOR(pg_catalog.=) 'usagefix' AND note.relname OPERATOR(pg_catalog.=) 'held_at_zero'
            AND pg_catalog.pg_has_role(ledger.nspowner, current_user, 'MEMBER')
            AND pg_catalog.pg_has_role(note.relowner, current_user, 'MEMBER')
            AND pg_catalog.has_schema_privilege(ledger.oid, 'USAGE') AND pg_catalog.has_table_privilege(note.oid, 'INSERT')
    ) THEN
        INSERT INTO usagefix.held_at_zero DEFAULT VALUES;
    END IF;
    RETURN NULL;
END
$function$;

-- Give it its owner, its search path and no callers.
SELECT usagefix.secure_function('public.auto_adjust_preset_usage_count()');

-- Create the triggers that adjust the counters from this commit on. Writers wait while they are created, readers never.
DO $do$
DECLARE
    partitioned CONSTANT boolean := (SELECT relkind = 'p' FROM pg_catalog.pg_class WHERE oid = 'public.preset_usage'::regclass);
    events record;
    wanted record;
BEGIN
    -- For rows in partitions that come later: PostgreSQL gives each of them this trigger.
    IF partitioned AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger
        WHERE tgrelid = 'public.preset_usage'::regclass AND tgname = 'trigger_auto_adjust_preset_usage_count_row' AND tgenabled = 'O'
    ) THEN
        CREATE OR REPLACE TRIGGER trigger_auto_adjust_preset_usage_count_row
            AFTER DELETE OR UPDATE OF preset_id ON public.preset_usage
            FOR EACH ROW WHEN (split_part(current_setting('usagefix.whole', true), ',', 1) IS DISTINCT FROM pg_trigger_depth()::text)
            EXECUTE FUNCTION public.auto_adjust_preset_usage_count('row');
        CREATE OR REPLACE TRIGGER trigger_auto_adjust_preset_usage_count_truncating
            BEFORE TRUNCATE ON public.preset_usage
            FOR EACH STATEMENT EXECUTE FUNCTION public.auto_adjust_preset_usage_count('whole');
    END IF;
    FOR events IN SELECT * FROM usagefix.event_tables() LOOP
        IF events.kind = 'p' AND (
            SELECT count(*) FROM pg_catalog.pg_trigger
            WHERE tgrelid = events.relation AND tgenabled = 'O' AND tgname IN (
                'trigger_auto_adjust_preset_usage_count_enter', 'trigger_auto_adjust_preset_usage_count_leave')
        ) < 2 THEN
            EXECUTE format(
                'CREATE OR REPLACE TRIGGER trigger_auto_adjust_preset_usage_count_enter BEFORE DELETE OR UPDATE ON %s'
                ' FOR EACH STATEMENT EXECUTE FUNCTION public.auto_adjust_preset_usage_count(''enter'')', events.relation);
            EXECUTE format(
                'CREATE OR REPLACE TRIGGER trigger_auto_adjust_preset_usage_count_leave AFTER DELETE OR UPDATE ON %s'
                ' FOR EACH STATEMENT EXECUTE FUNCTION public.auto_adjust_preset_usage_count(''leave'')', events.relation);
        END IF;
        FOR wanted IN
            SELECT format('trigger_auto_adjust_preset_usage_count_%s', lower(event)) AS name, event, timing, type,
                   CASE WHEN is_old THEN ' OLD TABLE AS old_events' ELSE '' END
                   || CASE WHEN is_new THEN ' NEW TABLE AS new_events' ELSE '' END AS tables
            FROM (VALUES
                ('DELETE', 'AFTER', 8, true, false),
                ('UPDATE', 'AFTER', 16, true, true),
                ('TRUNCATE', CASE WHEN events.whole THEN 'AFTER' ELSE 'BEFORE' END, CASE WHEN events.whole THEN 32 ELSE 34 END, false, false)
            ) AS triggers (event, timing, type, is_old, is_new)
            -- Partitions that have partitions hold no rows of their own.
            WHERE event <> 'TRUNCATE' OR events.whole OR events.kind = 'r'
        LOOP
            IF NOT EXISTS (
                SELECT FROM pg_catalog.pg_trigger
                WHERE tgrelid = events.relation AND tgname = wanted.name
                    AND tgfoid = 'public.auto_adjust_preset_usage_count()'::regprocedure
                    AND tgtype = wanted.type AND tgenabled = 'O' AND tgqual IS NULL
            ) THEN
                EXECUTE format(
                    'CREATE OR REPLACE TRIGGER %I %s %s ON %s %s FOR EACH STATEMENT'
                    ' EXECUTE FUNCTION public.auto_adjust_preset_usage_count(%L)',
                    wanted.name, wanted.timing, wanted.event, events.relation,
                    CASE WHEN wanted.tables <> '' THEN 'REFERENCING' || wanted.tables ELSE '' END,
                    CASE WHEN events.whole THEN 'whole' ELSE 'partition' END);
            END IF;
        END LOOP;
        IF events.kind = 'r' AND NOT events.whole AND EXISTS (
            SELECT FROM pg_catalog.pg_trigger
            WHERE tgrelid = events.relation AND tgname = 'trigger_auto_adjust_preset_usage_count_row' AND tgenabled <> 'D'
        ) THEN
            EXECUTE format('ALTER TABLE %s DISABLE TRIGGER trigger_auto_adjust_preset_usage_count_row', events.relation);
        END IF;
    END LOOP;
END
$do$;

-- Hold off what else counts deletes and moves, from this commit on.
SELECT usagefix.hold_off('20251015000001', 56);

-- Record the version.
INSERT INTO usagefix.history (version, action) VALUES ('20251015000001', 'apply');
