-- Count every new use at once, and lift the daily limit.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f apply.sql -f backfill.sql
--
-- is the whole fix by hand, exact, in one transaction; writers to preset_usage wait until it commits. On a busy
-- database run `usagefix apply`, or the two files in a transaction each, apply.sql first: then nobody waits while
-- rows are counted. Running it again changes nothing. See sql/README.md.
--
-- Settings (custom GUCs, usually absent):
--   usagefix.keep_daily_limit = on   leave the daily index for DROP INDEX CONCURRENTLY, and do not record the version
--   usagefix.tool, usagefix.checksum what to note in the ledger

-- Wait at most a second for a lock, unless the caller has said otherwise.
DO $do$
BEGIN
    IF current_setting('lock_timeout') = '0' THEN
        PERFORM set_config('lock_timeout', '1s', true);
    END IF;
END
$do$;

-- Create the ledger, schema usagefix. It notes what was applied, what that replaced and which counters were corrected;
-- application roles cannot look into it.
DO $do$
BEGIN
    IF to_regclass('usagefix.history') IS NOT NULL THEN
        RETURN;
    END IF;
    CREATE SCHEMA usagefix;
    REVOKE ALL ON SCHEMA usagefix FROM PUBLIC;

    CREATE TABLE usagefix.history (
        entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        version text NOT NULL,
        action text NOT NULL CHECK (action IN ('apply', 'rollback')),
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        by_role text NOT NULL DEFAULT session_user,
        application text NOT NULL DEFAULT current_setting('application_name'),
        tool text DEFAULT nullif(current_setting('usagefix.tool', true), ''),
        checksum text DEFAULT nullif(current_setting('usagefix.checksum', true), '')
    );

    -- definition is null where there was nothing: rollback then drops.
    CREATE TABLE usagefix.saved_objects (
        version text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('function', 'trigger', 'index')),
        identity text NOT NULL,
        definition text,
        owner text,
        acl aclitem[],
        comment text,
        enabled "char",
        key_columns text[],
        predicate text,
        saved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (version, kind, identity)
    );

    CREATE TABLE usagefix.backfills (
        run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        finished_at timestamptz,
        by_role text NOT NULL DEFAULT session_user,
        application text NOT NULL DEFAULT current_setting('application_name'),
        backend_pid integer NOT NULL DEFAULT pg_backend_pid(),
        lease_until timestamptz
    );

    -- One row for each counter corrected: applied_at is null while the delta is pending. preset_id has the type of
    -- presets.id, whatever that is.
    CREATE TABLE usagefix.corrections AS
        SELECT NULL::bigint AS run, presets.id AS preset_id, NULL::bigint AS displayed, NULL::bigint AS actual,
               NULL::bigint AS delta, presets.last_used_at AS newest, NULL::timestamptz AS applied_at
        FROM public.presets
        WITH NO DATA;
    ALTER TABLE usagefix.corrections
        ADD PRIMARY KEY (run, preset_id),
        ADD FOREIGN KEY (run) REFERENCES usagefix.backfills (run),
        ALTER COLUMN actual SET NOT NULL,
        ALTER COLUMN delta SET NOT NULL;
    CREATE INDEX ON usagefix.corrections (run, preset_id) WHERE applied_at IS NULL;
END
$do$;

-- Create the editor of track_preset_usage(). It takes out the clause that needs the daily limit, and any counting of
-- its own; everything else in the function stays.
CREATE OR REPLACE FUNCTION usagefix.edited_tracker(definition text, limit_stays boolean) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    stand_in CONSTANT text := ' ON CONFLICT DO NOTHING /* usagefix: until the daily limit is gone */';
    counted CONSTANT text := 'NULL; /* counted by the trigger */';
    cut CONSTANT text := E'\x01';
    -- A parenthesis with what is balanced in it, four deep.
    p1 CONSTANT text := '\([^()]*\)';
    p2 CONSTANT text := '\((?:[^()]|' || p1 || ')*\)';
    p3 CONSTANT text := '\((?:[^()]|' || p2 || ')*\)';
    p4 CONSTANT text := '\((?:[^()]|' || p3 || ')*\)';
    schema CONSTANT text := '(?:"?public"?\s*\.\s*)?';
    into_events CONSTANT text :=
        '(\minsert\s+into\s+' || schema || '"?preset_usage"?(?![\w"$])(?:(?!\minsert\M)[^;])*?)\mon\s+conflict\M\s*';
    by_constraint CONSTANT text := 'on\s+constraint\s+"?idx_preset_usage_daily_unique"?';
    by_day CONSTANT text := '(?=\((?:(?!\mdo\M)[^;])*created_at)';
    update_presets CONSTANT text := '\mupdate\s+(?:only\s+)?' || schema || '"?presets"?(?![\w"$])'
        || '(?:\s+(?:as\s+)?(?!set\M)\w+)?\s+set\s+';
    counter_is_set CONSTANT text := '(?:(?!\mwhere\M)[^;])*\musage_count"?\s*=';
    assignment CONSTANT text := '"?(?:usage_count|last_used_at|updated_at)"?\s*=\s*(?:[^(),;]|' || p4 || ')+';
    call_increment CONSTANT text := schema || '"?increment_preset_usage"?\s*' || p4;
    body text := replace(definition, stand_in, cut);
BEGIN
    body := regexp_replace(
        body,
        into_events || '(?:' || by_constraint || '|' || by_day || p4 || ')'
            || '(?:\s*where\M(?:(?!\mdo\M)[^;])*)?\s*\mdo\s+nothing\M',
        '\1' || cut, 'gi');
    body := regexp_replace(body, '\s*' || cut, CASE WHEN limit_stays THEN stand_in ELSE '' END, 'g');
    body := regexp_replace(
        body,
        update_presets || '(?=' || counter_is_set || ')(?![^;]*\mreturning\M)'
            || assignment || '(?:,\s*' || assignment || ')*;',
        counted, 'gi');
    body := regexp_replace(body, '\mperform\s+' || call_increment || '\s*;', counted, 'gi');
    -- What is left and would fail, or count twice, is for a person to change.
    IF body ~* (into_events || '(?:' || by_constraint || '|' || by_day || ')') THEN
        RAISE EXCEPTION 'track_preset_usage() uses the daily limit in a way that usagefix cannot take out'
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Remove its ON CONFLICT clause by hand (the insert is all it needs), then run this again.';
    ELSIF body ~* (update_presets || counter_is_set) OR body ~* call_increment THEN
        RAISE EXCEPTION 'track_preset_usage() counts by itself in a way that usagefix cannot take out'
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Remove from it what changes usage_count (the trigger counts), then run this again.';
    END IF;
    RETURN body;
END
$function$;

-- Note what is there before it is replaced or dropped. Only once: a second run finds our own objects.
DO $do$
DECLARE
    path CONSTANT text := current_setting('search_path');
BEGIN
    -- Definitions are written with the schema of every name that this path does not find.
    PERFORM set_config('search_path', 'pg_catalog', true);

    INSERT INTO usagefix.saved_objects (version, kind, identity, definition, owner, acl, comment)
    SELECT '20250930000001', 'function', wanted.identity, pg_get_functiondef(proc.oid),
           pg_get_userbyid(proc.proowner), proc.proacl, obj_description(proc.oid, 'pg_proc')
    FROM (
        SELECT format('public.%I(%s)', proname, oidvectortypes(proargtypes))
        FROM pg_catalog.pg_proc
        WHERE proname = 'track_preset_usage' AND pronamespace = 'public'::regnamespace AND prokind = 'f'
        UNION
        SELECT 'public.auto_increment_preset_usage_count()'
    ) AS wanted (identity)
    LEFT JOIN pg_catalog.pg_proc AS proc ON proc.oid = to_regprocedure(wanted.identity)
    ON CONFLICT DO NOTHING;

    INSERT INTO usagefix.saved_objects (version, kind, identity, definition, comment, enabled)
    SELECT '20250930000001', 'trigger', 'trigger_auto_increment_preset_usage_count',
           pg_get_triggerdef(existing.oid), obj_description(existing.oid, 'pg_trigger'), existing.tgenabled
    FROM (VALUES (1)) AS one
    LEFT JOIN pg_catalog.pg_trigger AS existing
        ON existing.tgrelid = 'public.preset_usage'::regclass
        AND existing.tgname = 'trigger_auto_increment_preset_usage_count'
    ON CONFLICT DO NOTHING;

    INSERT INTO usagefix.saved_objects (version, kind, identity, definition, comment, key_columns, predicate)
    SELECT '20250930000001', 'index', 'public.idx_preset_usage_daily_unique',
           pg_get_indexdef(existing.indexrelid), obj_description(existing.indexrelid, 'pg_class'),
           ARRAY(SELECT pg_get_indexdef(existing.indexrelid, n, true) FROM generate_series(1, existing.indnkeyatts) AS n),
           pg_get_expr(existing.indpred, existing.indrelid)
    FROM (VALUES (1)) AS one
    LEFT JOIN pg_catalog.pg_index AS existing
        ON existing.indexrelid = to_regclass('public.idx_preset_usage_daily_unique')
    ON CONFLICT DO NOTHING;

    PERFORM set_config('search_path', path, true);
END
$do$;

-- Create the counting function. One UPDATE for each preset that a statement touched, in the order of their ids, so that
-- two statements over the same presets queue up and never deadlock.
CREATE OR REPLACE FUNCTION public.auto_increment_preset_usage_count() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $function$
DECLARE
    used record;
BEGIN
    FOR used IN
        SELECT event.preset_id, pg_catalog.count(*) AS uses, pg_catalog.max(event.created_at) AS newest
        FROM new_events AS event
        GROUP BY event.preset_id
        ORDER BY event.preset_id
    LOOP
        UPDATE public.presets AS preset
        SET usage_count = COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) used.uses,
            last_used_at = GREATEST(preset.last_used_at, used.newest)
        WHERE preset.id OPERATOR(pg_catalog.=) used.preset_id;
    END LOOP;
    RETURN NULL;
END
$function$;

-- Give it its owner, its search path and no callers. It runs as the owner of presets, with a path that is pinned, yet
-- under which the application's own triggers on presets find their tables.
DO $do$
DECLARE
    counting CONSTANT regprocedure := 'public.auto_increment_preset_usage_count()';
    owner CONSTANT name := (SELECT pg_get_userbyid(relowner) FROM pg_catalog.pg_class WHERE oid = 'public.presets'::regclass);
    grantee name;
    path text;
BEGIN
    IF owner <> current_user AND pg_has_role(current_user, owner, 'USAGE')
        AND has_schema_privilege(owner, 'public', 'CREATE') THEN
        EXECUTE format('ALTER FUNCTION public.auto_increment_preset_usage_count() OWNER TO %I', owner);
    END IF;

    -- The path that the database, and then each role, is configured with; without schemas in which just anybody
    -- could plant an object.
    SELECT string_agg(quote_ident(schema), ', ' ORDER BY rank) INTO path
    FROM (
        SELECT namespace.nspname AS schema, min(CASE WHEN configured.setrole = 0 THEN 0 ELSE 1000 END + part.n) AS rank
        FROM (
            SELECT settings.setrole::bigint, unnest(settings.setconfig) AS entry
            FROM pg_catalog.pg_db_role_setting AS settings
            WHERE settings.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
        ) AS configured
        CROSS JOIN LATERAL string_to_table(substr(configured.entry, 13), ',') WITH ORDINALITY AS part (name, n)
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.nspname = btrim(part.name, ' "')
        WHERE configured.entry LIKE 'search\_path=%'
            AND namespace.nspname NOT IN ('public', 'pg_catalog') AND namespace.nspname !~ '^pg_temp'
            AND NOT has_schema_privilege('public', namespace.oid, 'CREATE')
        GROUP BY namespace.nspname
    ) AS configured;
    IF path IS NOT NULL THEN
        EXECUTE format(
            'ALTER FUNCTION public.auto_increment_preset_usage_count() SET search_path = public, %s, pg_temp', path);
    END IF;

    REVOKE ALL ON FUNCTION public.auto_increment_preset_usage_count() FROM PUBLIC;
    FOR grantee IN
        SELECT DISTINCT roles.rolname
        FROM pg_catalog.pg_proc AS proc
        CROSS JOIN LATERAL aclexplode(proc.proacl) AS granted
        JOIN pg_catalog.pg_roles AS roles ON roles.oid = granted.grantee
        WHERE proc.oid = counting AND granted.grantee <> proc.proowner
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION public.auto_increment_preset_usage_count() FROM %I', grantee);
    END LOOP;
END
$do$;

-- Let track_preset_usage() only insert the event. CREATE OR REPLACE keeps its owner, grants and comment.
DO $do$
DECLARE
    limit_stays CONSTANT boolean := COALESCE(current_setting('usagefix.keep_daily_limit', true), '') = 'on'
        AND to_regclass('public.idx_preset_usage_daily_unique') IS NOT NULL;
    definition text;
    edited text;
BEGIN
    FOR definition IN
        SELECT pg_get_functiondef(oid) FROM pg_catalog.pg_proc
        WHERE proname = 'track_preset_usage' AND pronamespace = 'public'::regnamespace AND prokind = 'f'
    LOOP
        edited := usagefix.edited_tracker(definition, limit_stays);
        IF edited <> definition THEN
            EXECUTE edited;
        END IF;
    END LOOP;
END
$do$;

-- Create the trigger that counts every new event from this commit on. Writers wait while the trigger is created, readers never.
DO $do$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger
        WHERE tgrelid = 'public.preset_usage'::regclass
            AND tgname = 'trigger_auto_increment_preset_usage_count'
            AND tgfoid = 'public.auto_increment_preset_usage_count()'::regprocedure
            AND tgtype = 4 AND tgnewtable = 'new_events' AND tgenabled = 'O'
    ) THEN
        CREATE OR REPLACE TRIGGER trigger_auto_increment_preset_usage_count
            AFTER INSERT ON public.preset_usage
            REFERENCING NEW TABLE AS new_events
            FOR EACH STATEMENT EXECUTE FUNCTION public.auto_increment_preset_usage_count();
    END IF;
END
$do$;

-- Drop the daily limit and record the version.
DO $do$
BEGIN
    IF COALESCE(current_setting('usagefix.keep_daily_limit', true), '') = 'on'
        AND to_regclass('public.idx_preset_usage_daily_unique') IS NOT NULL THEN
        RETURN;
    END IF;
    DROP INDEX IF EXISTS public.idx_preset_usage_daily_unique;
    INSERT INTO usagefix.history (version, action) VALUES ('20250930000001', 'apply');
END
$do$;
