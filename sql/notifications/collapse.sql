-- Merge the unread notifications of one preset into one that says how many. A new row is added to the number of the
-- older row and is not inserted.
--
--   usagefix notifications collapse --dry-run    prints this for the columns that a table has
--
-- This is version 20251126000001. `usagefix apply` and `rollback` ignore it; off.sql is the way back.

-- Look up every name in pg_catalog, and wait at most 1.5 seconds for a lock, unless lock_timeout is set already
DO $do$ BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lock_timeout', COALESCE(NULLIF(current_setting('lock_timeout'), '0'), '1500ms'), true);
END $do$;

-- The throttle. It has the rights of the role that inserts. If something fails in it, or waits longer than its
-- lock_timeout, the new row is inserted as it is: no use fails, and none is lost
CREATE OR REPLACE FUNCTION public.collapse_preset_notifications() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp SET lock_timeout = '750ms'
AS $function$
#variable_conflict use_variable
DECLARE
    span pg_catalog.interval;
    one record;
    actor pg_catalog.jsonb; --? actors
    actors pg_catalog.jsonb; --? actors
BEGIN
    -- A row about no preset, for nobody, read, or of another type; or a transaction that may fail if it reads others.
    IF NEW.user_id IS NULL OR NEW.preset_id IS NULL OR NEW.created_at IS NULL
        OR NEW.type IS NULL --? noted.type
        OR (pg_catalog.concat('only=', NEW.type) OPERATOR(pg_catalog.=) ANY (TG_ARGV)) IS NOT TRUE --? only
        OR NEW.is_read IS TRUE --? noted.is_read
        OR NEW.read_at IS NOT NULL --? noted.read_at
        OR pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.=) 'serializable'
    THEN RETURN NEW; END IF;
    -- A transaction waits for others once: from then on they may wait for its locks.
    IF pg_catalog.current_setting('usagefix.collapsing', true) OPERATOR(pg_catalog.=) 'on' THEN
        PERFORM pg_catalog.set_config('lock_timeout', '5ms', true);
    END IF;
    PERFORM pg_catalog.set_config('usagefix.collapsing', 'on', true);
    span := TG_ARGV[0];
    FOR attempt IN 1 .. 2 LOOP
        SELECT noted.ctid AS place, COALESCE(noted.data, '{}') AS had
            , pg_catalog.to_jsonb(noted.actor_id) AS actor --? noted.actor_id
            , noted.data OPERATOR(pg_catalog.->) TG_ARGV[1] AS actor --? actor_in_data
        INTO one FROM ONLY public.preset_notifications AS noted
        WHERE noted.user_id OPERATOR(pg_catalog.=) NEW.user_id
            AND noted.preset_id OPERATOR(pg_catalog.=) NEW.preset_id
            AND noted.type OPERATOR(pg_catalog.=) NEW.type --? noted.type
            AND noted.is_read IS NOT TRUE --? noted.is_read, nullable
            AND NOT noted.is_read --? noted.is_read, certain
            AND noted.read_at IS NULL --? noted.read_at
            AND noted.created_at OPERATOR(pg_catalog.>) (NEW.created_at OPERATOR(pg_catalog.-) span)
            AND noted.created_at OPERATOR(pg_catalog.<) (NEW.created_at OPERATOR(pg_catalog.+) span)
            AND pg_catalog.jsonb_typeof(COALESCE(noted.data, '{}')) OPERATOR(pg_catalog.=) 'object'
            AND pg_catalog.jsonb_typeof(COALESCE(noted.data OPERATOR(pg_catalog.->) 'uses', '1'))
                OPERATOR(pg_catalog.=) 'number'
            AND pg_catalog.jsonb_typeof(COALESCE(noted.data OPERATOR(pg_catalog.->) 'actors', '[]')) --? actors
                OPERATOR(pg_catalog.=) 'array' --? actors
        ORDER BY noted.created_at DESC LIMIT 1 FOR NO KEY UPDATE;
        IF FOUND THEN
            actor := pg_catalog.to_jsonb(NEW.actor_id); --? noted.actor_id
            actor := NEW.data OPERATOR(pg_catalog.->) TG_ARGV[1]; --? actor_in_data
            actors := COALESCE(one.had OPERATOR(pg_catalog.->) 'actors', --? actors
                CASE WHEN pg_catalog.jsonb_typeof(one.actor) OPERATOR(pg_catalog.<>) 'null' --? actors
                THEN pg_catalog.jsonb_build_array(one.actor) ELSE '[]' END); --? actors
            IF pg_catalog.jsonb_typeof(actor) OPERATOR(pg_catalog.<>) 'null' --? actors
                AND pg_catalog.jsonb_array_length(actors) OPERATOR(pg_catalog.<) 3 --? actors
                AND NOT actors OPERATOR(pg_catalog.@>) pg_catalog.jsonb_build_array(actor) --? actors
            THEN actors := actors OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_array(actor); END IF; --? actors
            UPDATE ONLY public.preset_notifications AS noted
            SET created_at = GREATEST(noted.created_at, NEW.created_at),
                data = one.had
                    OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('actors', actors) --? actors
                    OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('uses',
                        COALESCE((one.had OPERATOR(pg_catalog.->>) 'uses')::pg_catalog.numeric, 1)
                        OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.jsonb_typeof(
                            NEW.data OPERATOR(pg_catalog.->) 'uses') OPERATOR(pg_catalog.=) 'number'
                        THEN (NEW.data OPERATOR(pg_catalog.->>) 'uses')::pg_catalog.numeric ELSE 1 END)
            WHERE noted.ctid OPERATOR(pg_catalog.=) one.place;
            IF FOUND THEN RETURN NULL; END IF;
        END IF;
        -- This is the first row. Another first row waits here until this transaction ends, and then looks again. A
        -- server has few locks, so all first rows share 1,024 of them.
        PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', 'usagefix',
            TG_RELID, pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', NEW.user_id, NEW.preset_id
                , NEW.type --? noted.type
            ), 0) OPERATOR(pg_catalog.&) 1023), 0));
    END LOOP;
    RETURN NEW;
EXCEPTION
    WHEN lock_not_available OR deadlock_detected OR serialization_failure OR insufficient_privilege THEN
        PERFORM pg_catalog.set_config('usagefix.collapsing', 'on', true);
        RETURN NEW;
    WHEN OTHERS THEN
        RAISE WARNING 'a notification was not merged: %', SQLERRM;
        RETURN NEW;
END
$function$;

-- Only the trigger calls it
REVOKE ALL ON FUNCTION public.collapse_preset_notifications() FROM PUBLIC;

-- The trigger fires last, by its name, because others may still change the row. Writers wait while it is created;
-- readers do not. Its arguments: the window, the key of the data that names the actor, and the columns
CREATE OR REPLACE TRIGGER zz_collapse_preset_notifications BEFORE INSERT ON public.preset_notifications
    FOR EACH ROW EXECUTE FUNCTION public.collapse_preset_notifications('12 hours');
