-- Let only the counting triggers and the backfill change the counter: whatever else writes it brings drift back.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f ../ledger.sql -f apply.sql -f backfill.sql
--
-- Needs versions 20250930000001 and 20251015000001. Running it again keeps the mode that is set. See sql/README.md.

-- Wait at most a second for a lock, unless the caller has said otherwise.
DO $do$
BEGIN
    IF current_setting('lock_timeout') = '0' THEN
        PERFORM set_config('lock_timeout', '1s', true);
    END IF;
END
$do$;

-- Refuse where the versions before are not there, or somebody else calls the function. Nothing has been changed yet.
DO $do$
DECLARE
    other text;
BEGIN
    IF to_regprocedure('usagefix.set_guard(text)') IS NULL OR (
        SELECT count(*) FROM pg_catalog.pg_proc
        WHERE oid IN (to_regprocedure('public.auto_increment_preset_usage_count()'),
                      to_regprocedure('public.auto_adjust_preset_usage_count()'))
            -- Or the guard would not know their updates from others.
            AND prosrc LIKE '%usagefix.counting%'
    ) < 2 THEN
        RAISE EXCEPTION 'version 20251015000001 is not applied'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Apply it first, after ledger.sql.';
    END IF;
    SELECT format('%s on %s', existing.tgname, existing.tgrelid::regclass) INTO other
    FROM pg_catalog.pg_trigger AS existing
    WHERE existing.tgfoid = to_regprocedure('public.guard_preset_usage_count()') AND existing.tgparentid = 0
        AND NOT (existing.tgrelid = 'public.presets'::regclass AND existing.tgname LIKE '%guard\_preset\_usage\_count%')
    LIMIT 1;
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'another trigger calls guard_preset_usage_count() too: %', other
            USING ERRCODE = 'feature_not_supported', HINT = 'Drop that trigger, then run this again.';
    END IF;
END
$do$;

-- Note what is there before it is replaced. Only once: a second run finds our own objects.
SELECT usagefix.save_function('20251101000001', 'public.guard_preset_usage_count()'),
    usagefix.save_trigger_on('20251101000001', 'trigger_guard_preset_usage_count', 'public.presets'),
    usagefix.save_trigger_on('20251101000001', 'zz_trigger_guard_preset_usage_count', 'public.presets'),
    usagefix.save_trigger_on('20251101000001', 'trigger_guard_preset_usage_count_insert', 'public.presets');

-- Create the guard. Its triggers call it for what is no count of the counting triggers: the counter stays as it is, the
-- rest of the statement goes through, and the ledger notes who it was; no writer ever waits for another in there.
CREATE OR REPLACE FUNCTION public.guard_preset_usage_count() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $function$
DECLARE
    owner CONSTANT pg_catalog.oid := (
        SELECT tables.relowner FROM pg_catalog.pg_class AS tables WHERE tables.oid OPERATOR(pg_catalog.=) 'public.presets'::pg_catalog.regclass
    );
    -- current_user is the owner in here.
    caller CONSTANT pg_catalog.text := COALESCE(NULLIF(pg_catalog.current_setting('role'), 'none'), session_user::pg_catalog.text);
    used_by CONSTANT pg_catalog.text := pg_catalog.current_setting('application_name');
    ledger record;
    stack pg_catalog.text;
    through pg_catalog.text;
    free pg_catalog.tid;
    refused integer;
    step integer;
BEGIN
    -- On purpose, in a statement of the session; what triggers write meanwhile is refused all the same.
    IF pg_catalog.current_setting('usagefix.bypass_guard', true) OPERATOR(pg_catalog.=) 'on'
        AND pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.=) 1
        AND EXISTS (
            SELECT FROM pg_catalog.pg_roles AS roles
            WHERE roles.rolname::pg_catalog.text OPERATOR(pg_catalog.=) caller AND pg_catalog.pg_has_role(roles.oid, owner, 'USAGE')
        ) THEN
        RETURN NEW;
    END IF;

    IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
        -- A count, but the owner of presets is not the role any more whose name is in the trigger: counting goes on.
        IF pg_catalog.current_setting('usagefix.counting', true)
            OPERATOR(pg_catalog.=) (pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.-) 1)::pg_catalog.text
            AND pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.>) 1
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_trigger AS this
                WHERE this.tgrelid OPERATOR(pg_catalog.=) TG_RELID AND this.tgname OPERATOR(pg_catalog.=) TG_NAME
                    AND pg_catalog.strpos(pg_catalog.pg_get_triggerdef(this.oid), pg_catalog.concat(
                        pg_catalog.quote_literal(pg_catalog.pg_get_userbyid(owner)::pg_catalog.text), '::name')) OPERATOR(pg_catalog.>) 0
            ) THEN
            RETURN NEW;
        END IF;
    ELSIF NEW.usage_count IS NULL OR EXISTS (
        -- An upsert that leaves the counter as it is.
        SELECT FROM public.presets AS preset
        WHERE preset.id OPERATOR(pg_catalog.=) NEW.id AND preset.usage_count OPERATOR(pg_catalog.=) NEW.usage_count
    ) THEN
        NEW.usage_count := COALESCE(NEW.usage_count, 0);
        RETURN NEW;
    END IF;

    -- In one transaction the first hundred are noted one by one, then in hundreds, then in ten thousands: a row that is
    -- updated in a transaction again and again makes each update slower.
    refused := CASE WHEN pg_catalog.current_setting('usagefix.refused', true) OPERATOR(pg_catalog.~) '^\d{1,8}$'
        THEN pg_catalog.current_setting('usagefix.refused', true)::integer OPERATOR(pg_catalog.+) 1 ELSE 1 END;
    step := CASE WHEN refused OPERATOR(pg_catalog.<=) 100 THEN 1 WHEN refused OPERATOR(pg_catalog.<=) 10000 THEN 100 ELSE 10000 END;
    PERFORM pg_catalog.set_config('usagefix.refused', refused::pg_catalog.text, true);
    IF TG_ARGV[0] OPERATOR(pg_catalog.=) 'reject' OR refused OPERATOR(pg_catalog.%) step OPERATOR(pg_catalog.=) 0 THEN
        -- The functions that led here, the nearest first. The text around them holds statements, and is translated: only
        -- names of functions that are there are taken out of it.
        GET DIAGNOSTICS stack = PG_CONTEXT;
        SELECT COALESCE(pg_catalog.string_agg(callers.signature, ' < ' ORDER BY callers.place), '') INTO through
        FROM (
            SELECT line.place, found.signature
            FROM pg_catalog.regexp_split_to_table(stack, '\n') WITH ORDINALITY AS line (content, place)
            CROSS JOIN LATERAL (
                SELECT functions.oid::pg_catalog.regprocedure::pg_catalog.text AS signature
                FROM pg_catalog.regexp_match(line.content, -- a PL/pgSQL function: its name with the types of its arguments
                    '((?:[a-z_][a-z0-9_]*|"(?:[^"]|"")+")\.)?([a-z_][a-z0-9_]*|"(?:[^"]|"")+")\(([^()]*)\)') AS part
                JOIN pg_catalog.pg_proc AS functions
                    ON functions.proname OPERATOR(pg_catalog.=) CASE WHEN pg_catalog.left(part[2], 1) OPERATOR(pg_catalog.=) '"'
                        THEN pg_catalog.replace(pg_catalog.btrim(part[2], '"'), '""', '"') ELSE part[2] END::pg_catalog.name
                JOIN pg_catalog.pg_language AS languages
                    ON languages.oid OPERATOR(pg_catalog.=) functions.prolang AND languages.lanname OPERATOR(pg_catalog.=) 'plpgsql'
                WHERE functions.pronargs OPERATOR(pg_catalog.=) CASE WHEN part[3] OPERATOR(pg_catalog.=) '' THEN 0
                    ELSE pg_catalog.cardinality(pg_catalog.string_to_array(part[3], ',')) END
                UNION ALL
                SELECT functions.oid::pg_catalog.regprocedure::pg_catalog.text
                FROM pg_catalog.regexp_matches(line.content, -- in another language: its name alone, in some kind of quotes
                    '[^\w\s/.-]\W?(\w+)\W?[^\w\s/.-]', 'g') AS part
                JOIN pg_catalog.pg_proc AS functions ON functions.proname OPERATOR(pg_catalog.=) part[1]::pg_catalog.name
                JOIN pg_catalog.pg_language AS languages
                    ON languages.oid OPERATOR(pg_catalog.=) functions.prolang
                    AND languages.lanname OPERATOR(pg_catalog.<>) ALL (ARRAY['plpgsql', 'internal', 'c']::pg_catalog.name[])
                WHERE line.content OPERATOR(pg_catalog.!~) '[(=;]'
                LIMIT 1
            ) AS found
            WHERE line.place OPERATOR(pg_catalog.>) 1 -- this function itself
            ORDER BY line.place LIMIT 5
        ) AS callers;
        SELECT pg_catalog.count(*) FILTER (WHERE parts.relname OPERATOR(pg_catalog.=) 'refused_writes'
                AND pg_catalog.has_table_privilege(parts.oid, 'SELECT') AND pg_catalog.has_table_privilege(parts.oid, 'INSERT')
                AND pg_catalog.has_table_privilege(parts.oid, 'UPDATE')) OPERATOR(pg_catalog.=) 1 AS notes,
            pg_catalog.count(*) FILTER (WHERE parts.relname OPERATOR(pg_catalog.=) 'rejected_writes' AND parts.relkind OPERATOR(pg_catalog.=) 'S'
                AND pg_catalog.has_table_privilege(parts.oid, 'UPDATE')) OPERATOR(pg_catalog.=) 1 AS counts
        INTO ledger
        FROM pg_catalog.pg_class AS parts
        JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid OPERATOR(pg_catalog.=) parts.relnamespace
        WHERE schemas.nspname OPERATOR(pg_catalog.=) 'usagefix'
            AND pg_catalog.pg_has_role(schemas.nspowner, current_user, 'MEMBER') AND pg_catalog.pg_has_role(parts.relowner, current_user, 'MEMBER')
            AND pg_catalog.has_schema_privilege(schemas.oid, 'USAGE');

        IF TG_ARGV[0] OPERATOR(pg_catalog.=) 'reject' THEN
            -- What nextval() does is never undone, and usagefix smoke leaves nothing.
            IF ledger.counts AND NOT (
                COALESCE(pg_catalog.current_setting('usagefix.smoke', true), '') OPERATOR(pg_catalog.=) 'on'
                AND pg_catalog.pg_has_role(session_user, owner, 'USAGE')
            ) THEN
                PERFORM pg_catalog.nextval('usagefix.rejected_writes');
            END IF;
            RAISE EXCEPTION 'the counter usage_count is not for this to write: %', COALESCE(NULLIF(through, ''), TG_OP)
                USING ERRCODE = 'UF001', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'usage_count',
                      HINT = 'The triggers on preset_usage count each event by themselves: leave usage_count out.';
        ELSIF TG_ARGV[0] OPERATOR(pg_catalog.=) 'warn' THEN
            RAISE WARNING 'the counter usage_count stays as it is: it is not for this to write: %', COALESCE(NULLIF(through, ''), TG_OP)
                USING HINT = 'The triggers on preset_usage count each event by themselves: leave usage_count out.';
        END IF;
        IF ledger.notes THEN
            -- One that nobody holds. Where a transaction sees a fixed snapshot, a row that changed since would end it.
            IF pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.~) '^read' THEN
                SELECT written.ctid INTO free
                FROM usagefix.refused_writes AS written
                WHERE written.role OPERATOR(pg_catalog.=) caller AND written.application OPERATOR(pg_catalog.=) used_by
                    AND written.via OPERATOR(pg_catalog.=) through AND written.mode OPERATOR(pg_catalog.=) TG_ARGV[0]
                LIMIT 1
                FOR UPDATE SKIP LOCKED;
            END IF;
            IF free IS NULL THEN
                INSERT INTO usagefix.refused_writes (mode, role, application, via, writes)
                VALUES (TG_ARGV[0], caller, used_by, through, step);
            ELSE
                UPDATE usagefix.refused_writes AS written
                SET writes = written.writes OPERATOR(pg_catalog.+) step, last_at = pg_catalog.clock_timestamp()
                WHERE written.ctid OPERATOR(pg_catalog.=) free;
            END IF;
        END IF;
    END IF;

    IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
        NEW.usage_count := 0;
    ELSE
        NEW.usage_count := OLD.usage_count;
    END IF;
    RETURN NEW;
END
$function$;

-- Give it its owner, its search path and no callers.
SELECT usagefix.secure_function('public.guard_preset_usage_count()');

-- Create the triggers that call it, in the mode that is set, at first ignore. Writers of presets wait while they are created,
-- readers never.
SELECT usagefix.set_guard(COALESCE((
    SELECT min(split_part(encode(existing.tgargs, 'escape'), '\000', 1))
    FROM pg_catalog.pg_trigger AS existing
    WHERE existing.tgrelid = 'public.presets'::regclass AND existing.tgfoid = 'public.guard_preset_usage_count()'::regprocedure
        AND split_part(encode(existing.tgargs, 'escape'), '\000', 1) IN ('ignore', 'warn', 'reject')
), 'ignore'));

-- Record the version.
INSERT INTO usagefix.history (version, action) VALUES ('20251101000001', 'apply');
