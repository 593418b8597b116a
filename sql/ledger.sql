-- Open the ledger, schema usagefix, and put into it what the migrations are made with.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f ledger.sql -f <version>/apply.sql
--
-- Every apply.sql needs it first, in the same transaction or an earlier one; running it again only renews the functions.
-- It touches nothing of the application. Rolling back leaves it: `usagefix rollback --purge`, or DROP SCHEMA usagefix CASCADE.

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
DECLARE
    stranger text;
BEGIN
    IF to_regnamespace('usagefix') IS NULL THEN
        CREATE SCHEMA usagefix;
    END IF;
    -- rollback runs what is written there, so nobody else may have made it.
    SELECT quote_ident(owners.rolname) INTO stranger
    FROM (
        SELECT nspowner AS owner FROM pg_catalog.pg_namespace WHERE nspname = 'usagefix'
        UNION ALL
        SELECT relowner FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace('usagefix')
        UNION ALL
        SELECT proowner FROM pg_catalog.pg_proc WHERE pronamespace = to_regnamespace('usagefix')
    ) AS parts
    JOIN pg_catalog.pg_roles AS owners ON owners.oid = parts.owner
    WHERE NOT owners.rolsuper AND owners.rolname <> current_user
        AND owners.oid <> (SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'public.presets'::regclass)
    LIMIT 1;
    IF stranger IS NOT NULL THEN
        RAISE EXCEPTION 'schema usagefix, or something in it, belongs to role %', stranger
            USING ERRCODE = 'insufficient_privilege', HINT = 'Look at it, and drop it if it is not usagefix''s.';
    END IF;
    IF to_regclass('usagefix.history') IS NULL THEN
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

        -- definition is null where there was nothing: rollback then drops. extras are further statements that
        -- complete what the definition leaves out.
        CREATE TABLE usagefix.saved_objects (
            version text NOT NULL,
            kind text NOT NULL CHECK (kind IN ('function', 'trigger', 'index')),
            identity text NOT NULL,
            relation text,
            definition text,
            body text,
            owner text,
            acl aclitem[],
            comment text,
            enabled "char",
            key_columns text[],
            key_attributes text[],
            predicate text,
            extras text[],
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

        -- One row for each counter corrected: what it showed and should have shown when it was counted, the delta, and
        -- what it became; applied_at is null while the delta is pending. Where only the time of the last use was behind,
        -- the delta is 0 and actual is null. preset_id has the type of presets.id.
        CREATE TABLE usagefix.corrections AS
            SELECT NULL::bigint AS run, presets.id AS preset_id, NULL::bigint AS displayed, NULL::bigint AS actual,
                   NULL::bigint AS delta, presets.last_used_at AS newest, NULL::bigint AS became,
                   NULL::timestamptz AS applied_at
            FROM public.presets
            WITH NO DATA;
        ALTER TABLE usagefix.corrections
            ADD PRIMARY KEY (run, preset_id),
            ALTER COLUMN delta SET NOT NULL;
        CREATE INDEX ON usagefix.corrections (run, preset_id) WHERE applied_at IS NULL;

        -- Written by the triggers when pending deltas may no longer fit: a counter that was too low would have gone below
        -- zero, or all events were truncated. A backfill that finds a row here counts again.
        CREATE TABLE usagefix.held_at_zero (at timestamptz NOT NULL DEFAULT clock_timestamp());
    END IF;
END
$do$;

-- Create what refused writes of the counter are noted in. There may be several rows for the same mode, role, application and
-- functions, since a writer takes one that nobody holds, or adds one; readers add them up. Rejected writes are undone with
-- their transaction, which a sequence is not.
DO $do$
BEGIN
    IF to_regclass('usagefix.refused_writes') IS NULL THEN
        CREATE TABLE usagefix.refused_writes (
            mode text NOT NULL,
            role text NOT NULL,
            application text NOT NULL,
            via text NOT NULL,
            first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            writes bigint NOT NULL
        ) WITH (fillfactor = 50);
        CREATE INDEX ON usagefix.refused_writes (role, application, via, mode);
        CREATE SEQUENCE usagefix.rejected_writes;
    END IF;
END
$do$;

-- Create the editor of track_preset_usage(). It takes out the clause that needs the daily limit, and any counting of
-- its own; everything else in the function stays. What it cannot take out safely, it refuses.
CREATE OR REPLACE FUNCTION usagefix.edited_body(source text, language name, limit_stays boolean) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- Comments and literals are cut out while code is looked at, and put back afterwards: each stands as \x01 c12 \x02
    -- (comment) or \x01 s12 \x02 (literal).
    noise CONSTANT text := '--[^\n]*|/\*(?:[^*]|\*(?!/))*\*/|\me''(?:[^''\\]|\\.|'''')*''|''(?:[^'']|'''')*'''
        || '|"(?:[^"]|"")*"|\$(?:[a-z_]\w*)?\$';
    gap CONSTANT text := E'(?:\\s|\x01c\\d+\x02)';
    -- A parenthesis with what is balanced in it, four deep.
    p1 CONSTANT text := '\([^()]*\)';
    p2 CONSTANT text := '\((?:[^()]|' || p1 || ')*\)';
    p3 CONSTANT text := '\((?:[^()]|' || p2 || ')*\)';
    p4 CONSTANT text := '\((?:[^()]|' || p3 || ')*\)';
    stand_in CONSTANT text := ' ON CONFLICT DO NOTHING /* usagefix: until the daily limit is gone */';
    qualified CONSTANT text := '(?:(?:\w+|"[^"]+")' || gap || '*\.' || gap || '*)?';
    into_events CONSTANT text := '(\minsert' || gap || '+into' || gap || '+' || qualified
        || '"?preset_usage"?(?![\w"$])(?:(?!\minsert\M)[^;])*?)' || gap || '*\mon' || gap || '+conflict\M' || gap || '*';
    do_nothing CONSTANT text := gap || '*(?:\mwhere\M(?:(?!\mdo\M)[^;])*)?\mdo' || gap || '+nothing\M';
    by_name CONSTANT text := 'on' || gap || '+constraint' || gap || '+"?idx_preset_usage_daily_unique"?';
    update_presets CONSTANT text := '\mupdate' || gap || '+(?:only' || gap || '+)?' || qualified || '"?presets"?(?![\w"$])'
        || '(?:' || gap || '+(?:as' || gap || '+)?(?!set\M)\w+)?' || gap || '+set' || gap || '+';
    assignment CONSTANT text := '"?(?:usage_count|last_used_at|updated_at)"?' || gap || '*=' || gap
        || '*(?:[^(),;]|' || p4 || ')+';
    counting CONSTANT text := update_presets || '(?=(?:(?!\mwhere\M)[^;])*\musage_count"?' || gap || '*=)'
        || '(?![^;]*\mreturning\M)' || assignment || '(?:,' || gap || '*' || assignment || ')*;';
    incrementing CONSTANT text := '\mperform' || gap || '+' || qualified || '"?increment_preset_usage"?' || gap || '*' || p4
        || gap || '*;';
    -- The target of the daily limit: it names all columns of the index, or created_at.
    target text;
    body text;
    code text := '';
    token text;
    closing integer;
    kept text[] := '{}';
    counted boolean;
BEGIN
    IF language NOT IN ('plpgsql', 'sql') OR COALESCE(source, '') = '' THEN
        RETURN NULL;
    END IF;
    body := replace(source, stand_in, ' ON CONFLICT ON CONSTRAINT idx_preset_usage_daily_unique DO NOTHING');
    IF body ~ E'[\x01\x02]' THEN
        RAISE EXCEPTION 'track_preset_usage() holds control characters' USING ERRCODE = 'feature_not_supported';
    END IF;
    LOOP
        token := substring(body FROM '(?i)' || noise);
        EXIT WHEN token IS NULL;
        code := code || left(body, strpos(body, token) - 1);
        body := substr(body, strpos(body, token) + length(token));
        IF token LIKE '$%' THEN
            closing := strpos(body, token) + length(token) - 1;
            token := token || left(body, closing);
            body := substr(body, closing + 1);
        END IF;
        IF token LIKE '"%' THEN
            code := code || token;
        ELSE
            kept := kept || token;
            code := code || E'\x01' || CASE WHEN token ~ '^(--|/\*)' THEN 'c' ELSE 's' END || cardinality(kept) || E'\x02';
        END IF;
    END LOOP;
    code := code || body;

    -- The clause.
    SELECT string_agg('(?=\((?:(?!\mdo\M)[^;])*\m' || name || '\M)', '') INTO target
    FROM usagefix.saved_objects AS saved CROSS JOIN LATERAL unnest(saved.key_attributes) AS name
    WHERE saved.version = '20250930000001' AND saved.kind = 'index' AND name ~ '^\w+$';
    target := '(?:' || by_name || '|' || COALESCE(target || p4 || '|', '')
        || '(?=\((?:(?!\mdo\M)[^;])*\m(?:created_at|used_at)\M)' || p4 || ')';
    code := regexp_replace(code, into_events || target || do_nothing,
                           E'\\1\x01cut\x02', 'gi');
    -- A comment before it may need its end of line.
    code := regexp_replace(code, E'\x02\\s*\x01cut\x02', E'\x02\n' || CASE WHEN limit_stays THEN stand_in ELSE '' END, 'g');
    code := regexp_replace(code, E'\\s*\x01cut\x02', CASE WHEN limit_stays THEN stand_in ELSE '' END, 'g');

    counted := code ~* counting OR code ~* incrementing;
    IF counted AND (language = 'sql' OR code ~* '\mfound\M' OR code ~* '\mdiagnostics\M') THEN
        RAISE EXCEPTION 'track_preset_usage() counts by itself, and what follows may depend on that'
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Remove from it what changes usage_count (the trigger counts), then run this again.';
    END IF;
    code := regexp_replace(code, counting, 'NULL; /* counted by the trigger */', 'gi');
    code := regexp_replace(code, incrementing, 'NULL; /* counted by the trigger */', 'gi');

    -- What is left and would fail, or count twice, is for a person to change.
    IF code ~* (into_events || target) THEN
        RAISE EXCEPTION 'track_preset_usage() uses the daily limit in a way that usagefix cannot take out'
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Remove its ON CONFLICT clause by hand (the insert is all it needs), then run this again.';
    ELSIF code ~* (update_presets || '[^;]*?\musage_count\M(?:(?!\mwhere\M)[^;])*=') OR code ~* '\mincrement_preset_usage"?\s*\(' THEN
        RAISE EXCEPTION 'track_preset_usage() counts by itself in a way that usagefix cannot take out'
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Remove from it what changes usage_count (the trigger counts), then run this again.';
    END IF;
    FOR n IN 1 .. cardinality(kept) LOOP
        code := replace(replace(code, E'\x01c' || n || E'\x02', kept[n]), E'\x01s' || n || E'\x02', kept[n]);
    END LOOP;
    RETURN code;
END
$function$;

-- Create what puts a body into track_preset_usage(). CREATE OR REPLACE keeps owner, grants and comment.
CREATE OR REPLACE FUNCTION usagefix.replace_body(tracker oid, body text) RETURNS void
LANGUAGE plpgsql
AS $function$
DECLARE
    definition text := pg_catalog.pg_get_functiondef(tracker);
    old_body text := (SELECT prosrc FROM pg_catalog.pg_proc WHERE oid = tracker);
    quote text := substring(definition FROM '(\$[^$]*\$)\s*$');
    header text := left(definition, strpos(definition, 'AS ' || quote || old_body || quote) - 1);
BEGIN
    IF body IS NULL OR body = old_body THEN
        RETURN;
    ELSIF header = '' OR rtrim(definition, E'\n') <> header || 'AS ' || quote || old_body || quote THEN
        RAISE EXCEPTION 'the definition of track_preset_usage() cannot be read' USING ERRCODE = 'feature_not_supported';
    END IF;
    EXECUTE header || 'AS ' || quote_literal(body);
END
$function$;

-- Create the trial of track_preset_usage(). Uses by one person on one day, always undone. SECURITY DEFINER, and owned by
-- the owner of presets: whatever the application's functions and triggers do in it, they cannot take a superuser's role.
CREATE OR REPLACE FUNCTION usagefix.try_tracker(uses integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $function$
DECLARE
    event record;
    tables oid[];
    recorded bigint;
    result text;
BEGIN
    IF to_regprocedure('public.track_preset_usage(uuid, text, jsonb)') IS NULL
        OR NOT current_setting('track_counts')::boolean THEN
        RETURN NULL;
    END IF;
    BEGIN
        -- A preset that nobody holds, held for the length of the trial: other people's uses of it wait, and do not count.
        SELECT preset_usage.preset_id, preset_usage.user_id, preset_usage.usage_type,
               COALESCE(presets.usage_count, 0) AS usage_count
        INTO event
        FROM public.preset_usage
        JOIN public.presets ON presets.id = preset_usage.preset_id
        LIMIT 1
        FOR NO KEY UPDATE OF presets SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        PERFORM set_config('lock_timeout', '200ms', true);
        PERFORM set_config('request.jwt.claim.sub', event.user_id::text, true);
        PERFORM set_config('request.jwt.claims', jsonb_build_object('sub', event.user_id)::text, true);
        -- The server's own count of rows inserted in this transaction, in all partitions: nothing is scanned.
        WITH RECURSIVE tree AS (
            SELECT 'public.preset_usage'::regclass::oid AS oid
            UNION ALL
            SELECT inhrelid FROM pg_catalog.pg_inherits JOIN tree ON inhparent = tree.oid
        )
        SELECT array_agg(oid) INTO tables FROM tree;
        recorded := (SELECT sum(pg_stat_get_xact_tuples_inserted(oid)) FROM unnest(tables) AS oid);
        FOR n IN 1 .. uses LOOP
            PERFORM public.track_preset_usage(event.preset_id, event.usage_type, '{}'::jsonb);
        END LOOP;
        SELECT format('%s counted, %s recorded', COALESCE(usage_count, 0) - event.usage_count,
                      (SELECT sum(pg_stat_get_xact_tuples_inserted(oid)) FROM unnest(tables) AS oid) - recorded)
        INTO result FROM public.presets WHERE id = event.preset_id;
        RAISE EXCEPTION USING ERRCODE = 'UF000', MESSAGE = result;
    EXCEPTION
        WHEN SQLSTATE 'UF000' THEN
            RETURN result;
        WHEN lock_not_available OR deadlock_detected OR serialization_failure OR query_canceled THEN
            RAISE;
        WHEN OTHERS THEN
            RETURN 'fails: ' || SQLERRM;
    END;
END
$function$;

-- Create what lists the event tables: preset_usage, its partitions, and theirs.
CREATE OR REPLACE FUNCTION usagefix.event_tables() RETURNS TABLE (relation regclass, kind "char", whole boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
    WITH RECURSIVE tree AS (
        SELECT to_regclass('public.preset_usage')::oid AS oid, 0 AS level
        UNION ALL
        SELECT inhrelid, level + 1 FROM pg_inherits JOIN tree ON inhparent = tree.oid
    )
    SELECT tables.oid::regclass, tables.relkind, tree.level = 0
    FROM tree JOIN pg_class AS tables ON tables.oid = tree.oid
    ORDER BY tree.level, tables.oid
$function$;

-- Create what notes a function before it is replaced. Only once: a second run finds our own.
CREATE OR REPLACE FUNCTION usagefix.save_function(saving text, signature text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $function$
    INSERT INTO usagefix.saved_objects (version, kind, identity, definition, body, owner, acl, comment)
    SELECT saving, 'function', signature, pg_get_functiondef(proc.oid), proc.prosrc, pg_get_userbyid(proc.proowner),
           proc.proacl, obj_description(proc.oid, 'pg_proc')
    FROM (VALUES (1)) AS one
    LEFT JOIN pg_proc AS proc ON proc.oid = to_regprocedure(signature)
    ON CONFLICT DO NOTHING
$function$;

-- Create what notes a trigger before it is replaced, on each event table.
CREATE OR REPLACE FUNCTION usagefix.save_trigger(saving text, wanted name) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $function$
    INSERT INTO usagefix.saved_objects (version, kind, identity, relation, definition, comment, enabled)
    SELECT saving, 'trigger', format('%s ON %s', wanted, events.relation), events.relation::text,
           pg_get_triggerdef(existing.oid), obj_description(existing.oid, 'pg_trigger'), existing.tgenabled
    FROM usagefix.event_tables() AS events
    LEFT JOIN pg_trigger AS existing
        ON existing.tgrelid = events.relation AND existing.tgname = wanted AND existing.tgparentid = 0
    ON CONFLICT DO NOTHING
$function$;

-- Create what notes a trigger of one table before it is replaced.
CREATE OR REPLACE FUNCTION usagefix.save_trigger_on(saving text, wanted name, relation regclass) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $function$
    INSERT INTO usagefix.saved_objects (version, kind, identity, relation, definition, comment, enabled)
    SELECT saving, 'trigger', format('%s ON %s', wanted, relation), relation::text,
           pg_get_triggerdef(existing.oid), obj_description(existing.oid, 'pg_trigger'), existing.tgenabled
    FROM (VALUES (1)) AS one
    LEFT JOIN pg_trigger AS existing
        ON existing.tgrelid = relation AND existing.tgname = wanted AND existing.tgparentid = 0
    ON CONFLICT DO NOTHING
$function$;

-- Create what puts functions and triggers back: as they were, or gone. track_preset_usage() is not among them.
CREATE OR REPLACE FUNCTION usagefix.restore_counting(restoring text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET check_function_bodies = off
AS $function$
DECLARE
    saved usagefix.saved_objects;
    ours record;
    granted record;
BEGIN
    FOR saved IN
        SELECT * FROM usagefix.saved_objects
        WHERE version = restoring AND kind = 'function' AND definition IS NOT NULL
            AND identity NOT LIKE 'public.track\_preset\_usage(%'
    LOOP
        EXECUTE saved.definition;
        -- Grants while it is still ours, then the owner: a new owner takes over what the old one granted.
        FOR granted IN
            SELECT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END AS grantee,
                   CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS option
            FROM pg_roles AS owners
            CROSS JOIN LATERAL aclexplode(COALESCE(saved.acl, acldefault('f', owners.oid))) AS acl
            WHERE owners.rolname = saved.owner AND acl.grantee <> owners.oid
        LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s%s', saved.identity, granted.grantee, granted.option);
        END LOOP;
        IF pg_get_userbyid((SELECT proowner FROM pg_proc WHERE oid = saved.identity::regprocedure)) <> saved.owner THEN
            EXECUTE format('ALTER FUNCTION %s OWNER TO %I', saved.identity, saved.owner);
        END IF;
    END LOOP;

    -- Ours that were not there before, also on tables that became partitions since, or are none any more.
    FOR ours IN
        SELECT existing.tgname, existing.tgrelid::regclass AS relation
        FROM usagefix.saved_objects AS functions
        JOIN pg_trigger AS existing ON existing.tgfoid = to_regprocedure(functions.identity)
        LEFT JOIN usagefix.event_tables() WITH ORDINALITY AS events (relation, kind, whole, place)
            ON events.relation = existing.tgrelid
        WHERE functions.version = restoring AND functions.kind = 'function' AND existing.tgparentid = 0
            AND NOT EXISTS (
                SELECT FROM usagefix.saved_objects AS triggers
                WHERE triggers.version = restoring AND triggers.kind = 'trigger' AND triggers.definition IS NOT NULL
                    AND triggers.identity = format('%s ON %s', existing.tgname, existing.tgrelid::regclass)
            )
        ORDER BY events.place, existing.tgname -- the whole before its partitions, as writers lock them
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', ours.tgname, ours.relation);
    END LOOP;
    FOR saved IN
        SELECT * FROM usagefix.saved_objects
        WHERE version = restoring AND kind = 'trigger' AND definition IS NOT NULL AND to_regclass(relation) IS NOT NULL
    LOOP
        EXECUTE regexp_replace(saved.definition, '^CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER');
        EXECUTE format('ALTER TABLE %s %s TRIGGER %I', saved.relation,
            CASE saved.enabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END,
            left(saved.identity, -length(' ON ' || saved.relation)));
    END LOOP;
    FOR saved IN
        SELECT * FROM usagefix.saved_objects
        WHERE version = restoring AND kind = 'function' AND definition IS NULL
            AND identity NOT LIKE 'public.track\_preset\_usage(%'
    LOOP
        EXECUTE format('DROP FUNCTION IF EXISTS %s', saved.identity);
    END LOOP;
END
$function$;

-- Create what makes a counting function safe. It runs as the owner of presets and as nobody else, no role may call it,
-- and its path is pinned, yet one under which the application's own triggers on presets find their tables.
CREATE OR REPLACE FUNCTION usagefix.secure_function(counting regprocedure) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    owner CONSTANT oid := (SELECT relowner FROM pg_class WHERE oid = 'public.presets'::regclass);
    grantee name;
    path text;
BEGIN
    IF (SELECT proowner FROM pg_proc WHERE oid = counting) <> owner THEN
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', counting, pg_get_userbyid(owner));
    END IF;

    -- The path that the database or the owner is configured with; only schemas in which nobody but the owner of the
    -- tables, of the database or a superuser can plant an object.
    SELECT string_agg(quote_ident(schema), ', ' ORDER BY rank) INTO path
    FROM (
        SELECT namespace.nspname AS schema, min(part.n) AS rank
        FROM pg_db_role_setting AS settings
        JOIN pg_database AS here ON here.datname = current_database()
        CROSS JOIN LATERAL unnest(settings.setconfig) AS configured (entry)
        CROSS JOIN LATERAL string_to_table(substr(configured.entry, 13), ',') WITH ORDINALITY AS part (name, n)
        JOIN pg_namespace AS namespace ON namespace.nspname = btrim(part.name, ' "')
        JOIN pg_roles AS owners ON owners.oid = namespace.nspowner
        WHERE settings.setdatabase IN (0::oid, here.oid) AND settings.setrole IN (0::oid, owner)
            AND configured.entry LIKE 'search\_path=%'
            AND namespace.nspname NOT IN ('public', 'pg_catalog') AND namespace.nspname !~ '^pg_temp'
            AND (owners.rolsuper OR owners.oid IN (owner, here.datdba))
            AND NOT EXISTS (
                SELECT FROM aclexplode(namespace.nspacl) AS granted
                WHERE granted.privilege_type = 'CREATE' AND granted.grantee NOT IN (owner, namespace.nspowner)
            )
        GROUP BY namespace.nspname
    ) AS configured;
    IF path IS NOT NULL THEN
        EXECUTE format('ALTER FUNCTION %s SET search_path = public, %s, pg_temp', counting, path);
    END IF;

    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC CASCADE', counting);
    FOR grantee IN
        SELECT DISTINCT roles.rolname
        FROM pg_proc AS proc
        CROSS JOIN LATERAL aclexplode(proc.proacl) AS granted
        JOIN pg_roles AS roles ON roles.oid = granted.grantee
        WHERE proc.oid = counting AND granted.grantee <> proc.proowner
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I CASCADE', counting, grantee);
    END LOOP;
END
$function$;

-- Create what puts the guard on presets, in a mode; `usagefix guard` calls it, too. What the condition lets through is a
-- count: by the owner of presets, at the depth of triggers that the counting function has noted.
CREATE OR REPLACE FUNCTION usagefix.set_guard(mode text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    owner CONSTANT name := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.presets'::regclass);
    foreign_write CONSTANT text := format(
        'OLD.usage_count IS DISTINCT FROM NEW.usage_count AND (current_user <> %L OR NULLIF(pg_trigger_depth(), 0)::text'
        ' IS DISTINCT FROM COALESCE(current_setting(''usagefix.counting'', true), ''''))', owner);
    deadline CONSTANT timestamptz := clock_timestamp() + current_setting('lock_timeout')::interval;
    guard record;
BEGIN
    IF mode IS NULL OR mode NOT IN ('ignore', 'warn', 'reject') THEN
        RAISE EXCEPTION 'the guard has no mode %', mode
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Modes: ignore, warn, reject.';
    END IF;
    -- By hand or in a dry run the versions before have locked the events: whoever has written presets, and now waits for
    -- these, must not be waited for.
    WHILE EXISTS (
        SELECT FROM pg_locks
        WHERE pid = pg_backend_pid() AND relation = 'public.preset_usage'::regclass
            AND pg_locks.mode IN ('ShareRowExclusiveLock', 'AccessExclusiveLock')
    ) LOOP
        BEGIN
            LOCK TABLE public.presets IN SHARE ROW EXCLUSIVE MODE NOWAIT;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF clock_timestamp() > deadline THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.01);
        END;
    END LOOP;
    FOR guard IN
        SELECT * FROM (VALUES
            ('trigger_guard_preset_usage_count', 'UPDATE', foreign_write),
            -- Triggers fire in the order of their names: for what one of the application has made of the row since.
            ('zz_trigger_guard_preset_usage_count', 'UPDATE', foreign_write),
            ('trigger_guard_preset_usage_count_insert', 'INSERT', 'NEW.usage_count IS DISTINCT FROM 0')
        ) AS triggers (name, event, condition)
        -- A row that moves to another partition is inserted there, with its counter.
        WHERE event <> 'INSERT' OR (SELECT relkind FROM pg_class WHERE oid = 'public.presets'::regclass) <> 'p'
    LOOP
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER %I BEFORE %s ON public.presets FOR EACH ROW WHEN (%s)'
            ' EXECUTE FUNCTION public.guard_preset_usage_count(%L)', guard.name, guard.event, guard.condition, mode);
    END LOOP;
END
$function$;

-- Create the backfill by hand, which backfill.sql calls: each counter gets what it lacks, all in one transaction. It has no
-- path of its own: the application's triggers, where they fire, would inherit it.
CREATE OR REPLACE FUNCTION usagefix.backfill(fire_triggers boolean) RETURNS void
LANGUAGE plpgsql
AS $function$
DECLARE
    bypass_before CONSTANT text := COALESCE(current_setting('usagefix.bypass_guard', true), '');
    this_run bigint;
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger
        WHERE tgrelid = 'public.preset_usage'::regclass
            AND tgname = 'trigger_auto_increment_preset_usage_count' AND tgenabled IN ('O', 'A')
    ) THEN
        RAISE EXCEPTION 'new uses are not counted yet, so no backfill can be exact'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run apply.sql first.';
    END IF;
    IF NOT fire_triggers THEN
        BEGIN
            PERFORM set_config('session_replication_role', 'replica', true);
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE EXCEPTION 'this role may not hold off the triggers on presets'
                USING ERRCODE = 'insufficient_privilege',
                      HINT = 'Use `usagefix backfill`, which can do without; or run GRANT SET ON PARAMETER'
                          ' session_replication_role TO your role (PostgreSQL 15 on); or let the triggers fire:'
                          ' PGOPTIONS="-c usagefix.fire_triggers=on" psql …';
        END;
    END IF;

    -- An interrupted run: what it did is done, what it left is counted anew.
    DELETE FROM usagefix.corrections WHERE applied_at IS NULL;
    UPDATE usagefix.backfills SET finished_at = clock_timestamp() WHERE finished_at IS NULL;
    LOOP
        DELETE FROM usagefix.held_at_zero;
        INSERT INTO usagefix.backfills DEFAULT VALUES RETURNING run INTO this_run;

        -- One snapshot for both sides.
        INSERT INTO usagefix.corrections (run, preset_id, displayed, actual, delta, newest)
        SELECT this_run, presets.id, presets.usage_count, COALESCE(events.actual, 0),
               COALESCE(events.actual, 0) - COALESCE(presets.usage_count, 0), events.newest
        FROM public.presets
        LEFT JOIN (
            SELECT preset_usage.preset_id, count(*) AS actual, max(preset_usage.created_at) AS newest
            FROM public.preset_usage
            GROUP BY preset_usage.preset_id
        ) AS events ON events.preset_id = presets.id
        WHERE presets.usage_count IS DISTINCT FROM COALESCE(events.actual, 0)
            OR events.newest > COALESCE(presets.last_used_at, '-infinity');

        -- In the order of their ids, as the triggers do.
        PERFORM FROM public.presets
        WHERE presets.id IN (SELECT preset_id FROM usagefix.corrections WHERE run = this_run)
        ORDER BY presets.id
        FOR NO KEY UPDATE;

        PERFORM set_config('usagefix.bypass_guard', 'on', true);
        WITH changed AS (
            UPDATE public.presets
            SET usage_count = GREATEST(COALESCE(presets.usage_count, 0) + corrections.delta, 0)
              , last_used_at = GREATEST(presets.last_used_at, corrections.newest) --? presets.last_used_at
            FROM usagefix.corrections
            WHERE corrections.run = this_run AND corrections.preset_id = presets.id
            RETURNING presets.id, presets.usage_count AS became
        )
        UPDATE usagefix.corrections SET applied_at = clock_timestamp(), became = changed.became
        FROM changed WHERE corrections.run = this_run AND corrections.preset_id = changed.id;
        PERFORM set_config('usagefix.bypass_guard', bypass_before, true);

        DELETE FROM usagefix.corrections WHERE run = this_run AND applied_at IS NULL; -- presets deleted meanwhile
        UPDATE usagefix.backfills SET finished_at = clock_timestamp() WHERE run = this_run;
        EXIT WHEN NOT EXISTS (SELECT FROM usagefix.held_at_zero);
    END LOOP;
END
$function$;

-- Close the ledger to everybody else, whatever default privileges say.
DO $do$
DECLARE
    owner CONSTANT name := (
        SELECT pg_get_userbyid(relowner) FROM pg_catalog.pg_class WHERE oid = 'public.presets'::regclass
    );
    open record;
BEGIN
    IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('ALTER FUNCTION usagefix.try_tracker(integer) OWNER TO %I', owner);
    END IF;
    REVOKE ALL ON SCHEMA usagefix FROM PUBLIC;
    REVOKE ALL ON ALL TABLES IN SCHEMA usagefix FROM PUBLIC;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA usagefix FROM PUBLIC;
    FOR open IN
        SELECT DISTINCT roles.rolname AS grantee
        FROM (
            SELECT nspacl AS acl, nspowner AS owner FROM pg_catalog.pg_namespace WHERE nspname = 'usagefix'
            UNION ALL
            SELECT relacl, relowner FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace('usagefix')
            UNION ALL
            SELECT proacl, proowner FROM pg_catalog.pg_proc WHERE pronamespace = to_regnamespace('usagefix')
        ) AS parts
        CROSS JOIN LATERAL aclexplode(parts.acl) AS granted
        JOIN pg_catalog.pg_roles AS roles ON roles.oid = granted.grantee
        WHERE granted.grantee <> parts.owner
    LOOP
        EXECUTE format('REVOKE ALL ON SCHEMA usagefix FROM %I CASCADE', open.grantee);
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA usagefix FROM %I CASCADE', open.grantee);
        EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA usagefix FROM %I CASCADE', open.grantee);
        EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA usagefix FROM %I CASCADE', open.grantee);
    END LOOP;
    -- The counting functions and the guard run as the owner of presets.
    IF owner <> (SELECT pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace WHERE nspname = 'usagefix') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA usagefix TO %I', owner);
        EXECUTE format('GRANT INSERT ON usagefix.held_at_zero TO %I', owner);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON usagefix.refused_writes TO %I', owner);
        EXECUTE format('GRANT USAGE, UPDATE ON SEQUENCE usagefix.rejected_writes TO %I', owner);
    END IF;
END
$do$;
