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
            -- What apply did to a function that it did not replace whole, what a trial had said before, and the body that it left.
            how text CHECK (how IN ('edited', 'repaired', 'rewritten', 'kept')),
            tried text,
            left_behind text,
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

-- Create the patterns that the editors below look for in code whose comments and literals are cut out.
CREATE OR REPLACE FUNCTION usagefix.pattern(wanted text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    gap CONSTANT text := E'(?:\\s|\x01c\\d+\x02)';
    -- A parenthesis with what is balanced in it, four deep.
    p1 CONSTANT text := '\([^()]*\)';
    p2 CONSTANT text := '\((?:[^()]|' || p1 || ')*\)';
    p3 CONSTANT text := '\((?:[^()]|' || p2 || ')*\)';
    p4 CONSTANT text := '\((?:[^()]|' || p3 || ')*\)';
    -- In this schema, or in none: another schema's tables of these names are not ours.
    qualified CONSTANT text := '(?:"?' || (SELECT nspname FROM pg_namespace WHERE oid = 'public'::regnamespace)
        || '"?' || gap || '*\.' || gap || '*)?';
    update_presets CONSTANT text := '\mupdate' || gap || '+(?:only' || gap || '+)?' || qualified || '"?presets"?(?![\w"$])'
        || '(?:' || gap || '+(?:as' || gap || '+)?(?!set\M)\w+)?' || gap || '+set' || gap || '+';
    assignment CONSTANT text := '"?(?:usage_count|last_used_at|updated_at)"?' || gap || '*=' || gap
        || '*(?:[^(),;]|' || p4 || ')+';
BEGIN
    RETURN CASE wanted
        WHEN 'gap' THEN gap
        WHEN 'parenthesis' THEN p4
        WHEN 'insert' THEN '\minsert' || gap || '+into' || gap || '+' || qualified || '"?preset_usage"?(?![\w"$])'
        -- A statement that can be taken out as a whole: all it sets is the counter and the time of the last use.
        WHEN 'counting' THEN update_presets || '(?=(?:(?!\mwhere\M)[^;])*\musage_count"?' || gap || '*=)'
            || '(?![^;]*\mreturning\M)' || assignment || '(?:,' || gap || '*' || assignment || ')*;'
        WHEN 'incrementing' THEN '\mperform' || gap || '+' || qualified || '"?increment_preset_usage"?' || gap || '*' || p4
            || gap || '*;'
        -- Whatever sets the counter.
        WHEN 'sets' THEN update_presets || '(?:(?:(?!\mwhere\M)[^();]|' || p4 || ')*,' || gap || '*)?'
            || '(?:"?usage_count"?|\([^()]*\musage_count\M[^()]*\))' || gap || '*='
        WHEN 'calls' THEN '\mincrement_preset_usage"?\s*\('
    END;
END
$function$;

-- Create what cuts comments and literals out of code, so that it can be looked at: each stands as \x01 c12 \x02 (comment)
-- or \x01 s12 \x02 (literal).
CREATE OR REPLACE FUNCTION usagefix.parted(source text, OUT code text, OUT kept text[])
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    noise CONSTANT text := '--[^\n]*|/\*(?:[^*]|\*(?!/))*\*/|\me''(?:[^''\\]|\\.|'''')*''|''(?:[^'']|'''')*'''
        || '|"(?:[^"]|"")*"|\$(?:[a-z_]\w*)?\$';
    token text;
    closing integer;
BEGIN
    code := '';
    kept := '{}';
    LOOP
        token := substring(source FROM '(?i)' || noise);
        EXIT WHEN token IS NULL;
        code := code || left(source, strpos(source, token) - 1);
        source := substr(source, strpos(source, token) + length(token));
        IF token LIKE '$%' THEN
            closing := strpos(source, token) + length(token) - 1;
            token := token || left(source, closing);
            source := substr(source, closing + 1);
        END IF;
        IF token LIKE '"%' THEN
            code := code || token;
        ELSE
            kept := kept || token;
            code := code || E'\x01' || CASE WHEN token ~ '^(--|/\*)' THEN 'c' ELSE 's' END || cardinality(kept) || E'\x02';
        END IF;
    END LOOP;
    code := code || source;
END
$function$;

-- Create what puts comments and literals back.
CREATE OR REPLACE FUNCTION usagefix.joined(code text, kept text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    FOR n IN 1 .. cardinality(kept) LOOP
        code := replace(replace(code, E'\x01c' || n || E'\x02', kept[n]), E'\x01s' || n || E'\x02', kept[n]);
    END LOOP;
    RETURN code;
END
$function$;

-- Create what takes the counting out of a function's code. What it cannot take out safely, it refuses.
CREATE OR REPLACE FUNCTION usagefix.without_counting(code text, language name, whose text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    counting CONSTANT text := usagefix.pattern('counting');
    incrementing CONSTANT text := usagefix.pattern('incrementing');
BEGIN
    IF (code ~* counting OR code ~* incrementing) AND (language = 'sql' OR code ~* '\mfound\M' OR code ~* '\mdiagnostics\M') THEN
        RAISE EXCEPTION '% counts by itself, and what follows may depend on that', whose
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Remove from it what changes usage_count (the trigger counts), then run this again.';
    END IF;
    code := regexp_replace(code, counting, 'NULL; /* counted by the trigger */', 'gi');
    code := regexp_replace(code, incrementing, 'NULL; /* counted by the trigger */', 'gi');
    IF code ~* usagefix.pattern('sets') OR code ~* usagefix.pattern('calls') THEN
        RAISE EXCEPTION '% counts by itself in a way that usagefix cannot take out', whose
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Remove from it what changes usage_count (the trigger counts), then run this again.';
    END IF;
    RETURN code;
END
$function$;

-- Create the editor of track_preset_usage(). It takes out the clause that needs the daily limit, and any counting of
-- its own; everything else in the function stays. What it cannot take out safely, it refuses.
CREATE OR REPLACE FUNCTION usagefix.edited_body(source text, language name, limit_stays boolean) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    gap CONSTANT text := usagefix.pattern('gap');
    parenthesis CONSTANT text := usagefix.pattern('parenthesis');
    stand_in CONSTANT text := ' ON CONFLICT DO NOTHING /* usagefix: until the daily limit is gone */';
    into_events CONSTANT text := '(' || usagefix.pattern('insert') || '(?:(?!\minsert\M)[^;])*?)' || gap || '*\mon' || gap
        || '+conflict\M' || gap || '*';
    do_nothing CONSTANT text := gap || '*(?:\mwhere\M(?:(?!\mdo\M)[^;])*)?\mdo' || gap || '+nothing\M';
    by_name CONSTANT text := 'on' || gap || '+constraint' || gap || '+"?idx_preset_usage_daily_unique"?';
    -- The target of the daily limit: it names all columns of the index, or the time.
    target text;
    code text;
    kept text[];
BEGIN
    IF language NOT IN ('plpgsql', 'sql') OR COALESCE(source, '') = '' THEN
        RETURN NULL;
    END IF;
    source := replace(source, stand_in, ' ON CONFLICT ON CONSTRAINT idx_preset_usage_daily_unique DO NOTHING');
    IF source ~ E'[\x01\x02]' THEN
        RAISE EXCEPTION 'track_preset_usage() holds control characters' USING ERRCODE = 'feature_not_supported';
    END IF;
    SELECT * INTO code, kept FROM usagefix.parted(source);

    -- The clause.
    SELECT string_agg('(?=\((?:(?!\mdo\M)[^;])*\m' || name || '\M)', '') INTO target
    FROM usagefix.saved_objects AS saved CROSS JOIN LATERAL unnest(saved.key_attributes) AS name
    WHERE saved.version = '20250930000001' AND saved.kind = 'index' AND name ~ '^\w+$';
    target := '(?:' || by_name || '|' || COALESCE(target || parenthesis || '|', '')
        || '(?=\((?:(?!\mdo\M)[^;])*\m(?:created_at|used_at)\M)' || parenthesis || ')';
    code := regexp_replace(code, into_events || target || do_nothing,
                           E'\\1\x01cut\x02', 'gi');
    -- A comment before it may need its end of line.
    code := regexp_replace(code, E'\x02\\s*\x01cut\x02', E'\x02\n' || CASE WHEN limit_stays THEN stand_in ELSE '' END, 'g');
    code := regexp_replace(code, E'\\s*\x01cut\x02', CASE WHEN limit_stays THEN stand_in ELSE '' END, 'g');
    -- What is left and would fail is for a person to change.
    IF code ~* (into_events || target) THEN
        RAISE EXCEPTION 'track_preset_usage() uses the daily limit in a way that usagefix cannot take out'
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Remove its ON CONFLICT clause by hand (the insert is all it needs), then run this again.';
    END IF;
    RETURN usagefix.joined(usagefix.without_counting(code, language, 'track_preset_usage()'), kept);
END
$function$;

-- Create what puts a body into a function. CREATE OR REPLACE keeps owner, grants and comment.
CREATE OR REPLACE FUNCTION usagefix.replace_body(replacing oid, body text) RETURNS void
LANGUAGE plpgsql
AS $function$
DECLARE
    definition text := pg_catalog.pg_get_functiondef(replacing);
    old_body text := (SELECT prosrc FROM pg_catalog.pg_proc WHERE oid = replacing);
    quote text := substring(definition FROM '(\$[^$]*\$)\s*$');
    header text := left(definition, strpos(definition, 'AS ' || quote || old_body || quote) - 1);
BEGIN
    IF body IS NULL OR body = old_body THEN
        RETURN;
    ELSIF COALESCE(header, '') = '' OR rtrim(definition, E'\n') <> header || 'AS ' || quote || old_body || quote THEN
        RAISE EXCEPTION 'the definition of % cannot be read', replacing::regprocedure USING ERRCODE = 'feature_not_supported';
    END IF;
    EXECUTE header || 'AS ' || quote_literal(body);
END
$function$;

-- Create what finds the daily limits: unique indexes that let one person use a preset once a day, whatever their names: over
-- the preset, a day of the time of the use, and nothing but the person and the kind of use besides.
CREATE OR REPLACE FUNCTION usagefix.daily_limits(of_constraints boolean DEFAULT false) RETURNS SETOF regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT daily.indexrelid::regclass
    FROM pg_index AS daily
    WHERE daily.indrelid = to_regclass('public.preset_usage') AND daily.indisunique AND NOT daily.indisprimary
        AND of_constraints = EXISTS (SELECT FROM pg_constraint AS made WHERE made.conindid = daily.indexrelid AND made.contype IN ('p', 'u', 'x'))
        AND (daily.indexrelid = to_regclass('public.idx_preset_usage_daily_unique') OR (
            -- A generated day is one of the time of the use.
            SELECT bool_and(columns.attname IN ('preset_id', 'user_id', 'usage_type', 'created_at', 'used_at')
                    OR columns.attgenerated <> '' AND columns.atttypid = 'date'::regtype)
                AND bool_or(columns.attname = 'preset_id') AND bool_or(columns.attname IN ('created_at', 'used_at') OR columns.attgenerated <> '')
            FROM pg_attribute AS columns
            WHERE columns.attrelid = daily.indrelid AND columns.attnum > 0 AND (columns.attnum = ANY (daily.indkey) OR EXISTS (
                SELECT FROM pg_depend AS named
                WHERE named.classid = 'pg_class'::regclass AND named.objid = daily.indexrelid
                    AND named.refclassid = 'pg_class'::regclass AND named.refobjid = daily.indrelid
                    AND named.refobjsubid = columns.attnum))
        ) AND (
            pg_get_indexdef(daily.indexrelid) ~ 'date_trunc\(''day''' OR EXISTS (
                SELECT FROM pg_attribute AS keys
                WHERE keys.attrelid = daily.indexrelid AND keys.attnum <= daily.indnkeyatts AND keys.atttypid = 'date'::regtype)))
    ORDER BY daily.indexrelid = to_regclass('public.idx_preset_usage_daily_unique') DESC, daily.indexrelid
$function$;

-- Create what finds the daily limit, of which there is one at most.
CREATE OR REPLACE FUNCTION usagefix.daily_limit() RETURNS regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT * FROM usagefix.daily_limits() LIMIT 1
$function$;

-- Create what finds functions that need the daily limit and would fail without it: an ON CONFLICT over its columns, in whatever
-- language, in dynamic SQL too. Out of track_preset_usage() the clause is taken, so it counts as it will be.
CREATE OR REPLACE FUNCTION usagefix.needing_limit() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT string_agg(needing.signature, ', ')
    FROM (
        SELECT proc.oid::regprocedure::text AS signature,
            CASE WHEN proc.proname = 'track_preset_usage' AND proc.pronamespace = 'public'::regnamespace AND proc.prokind = 'f'
                    AND proc.prosqlbody IS NULL AND languages.lanname IN ('sql', 'plpgsql')
                THEN usagefix.edited_body(proc.prosrc, languages.lanname, false)
                ELSE COALESCE(pg_get_function_sqlbody(proc.oid), proc.prosrc) END AS source
        FROM pg_proc AS proc
        JOIN pg_language AS languages ON languages.oid = proc.prolang AND languages.lanname NOT IN ('c', 'internal')
        WHERE proc.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'usagefix'::regnamespace)
            AND COALESCE(pg_get_function_sqlbody(proc.oid), proc.prosrc) ~* '\mpreset_usage\M'
            AND COALESCE(pg_get_function_sqlbody(proc.oid), proc.prosrc) ~* '\mconflict\M'
    ) AS needing
    CROSS JOIN LATERAL usagefix.parted(needing.source) AS parts
    CROSS JOIN LATERAL (
        SELECT parts.code || ' ' || COALESCE(string_agg(piece, ' '), '') AS text
        FROM unnest(parts.kept) AS piece WHERE piece !~ '^(--|/\*)'
    ) AS whole
    WHERE whole.text ~* (usagefix.pattern('insert') || '(?:(?!\minsert\M)[^;])*\mon\s+conflict\s*\((?:(?!\mdo\M)[^;])*\m(?:created_at|used_at)\M')
$function$;

-- Create what says how preset_usage.user_id is had from the session, as an expression: auth.uid(), or the profile whose
-- user_id that is. Null where there is no such column, or nothing that tells the user.
CREATE OR REPLACE FUNCTION usagefix.caller() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT CASE
            WHEN profile.attname IS NULL THEN format('auth.uid()::%s', format_type(users.atttypid, users.atttypmod))
            ELSE format('(SELECT profile.%I FROM %s AS profile WHERE profile.user_id = auth.uid())', key.attname, foreign_key.confrelid::regclass)
        END
    FROM pg_attribute AS users
    LEFT JOIN pg_constraint AS foreign_key
        ON foreign_key.conrelid = users.attrelid AND foreign_key.contype = 'f' AND foreign_key.conkey = ARRAY[users.attnum]
    LEFT JOIN pg_attribute AS key ON key.attrelid = foreign_key.confrelid AND key.attnum = foreign_key.confkey[1]
    LEFT JOIN pg_attribute AS profile
        ON profile.attrelid = foreign_key.confrelid AND profile.attname = 'user_id' AND NOT profile.attisdropped
        AND profile.attnum <> key.attnum
    WHERE users.attrelid = to_regclass('public.preset_usage') AND users.attname = 'user_id' AND NOT users.attisdropped
        AND to_regprocedure('auth.uid()') IS NOT NULL
    ORDER BY foreign_key.oid
    LIMIT 1
$function$;

-- Create what finds the arguments of a track_preset_usage(): which of them is the preset, the kind of use, the data (0 where
-- there is none), and a call with those as %1$L, %2$L, %3$L; null where it needs more than these.
CREATE OR REPLACE FUNCTION usagefix.tracker_arguments(tracker oid, OUT preset integer, OUT kind integer, OUT data integer, OUT call text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    proc pg_proc;
    key_type CONSTANT oid := (
        SELECT atttypid FROM pg_attribute WHERE attrelid = to_regclass('public.presets') AND attname = 'id'
    );
    name text;
    category "char";
    given text[] := '{}';
BEGIN
    SELECT * INTO STRICT proc FROM pg_proc WHERE oid = tracker;
    preset := 0; kind := 0; data := 0;
    FOR n IN 1 .. proc.pronargs LOOP
        name := COALESCE(proc.proargnames[n], '');
        category := (SELECT typcategory FROM pg_type WHERE oid = proc.proargtypes[n - 1]);
        IF preset = 0 AND proc.proargtypes[n - 1] = key_type AND name !~* 'type|kind' THEN
            preset := n;
            given := given || format('%%1$L::%s', format_type(key_type, NULL));
        ELSIF data = 0 AND proc.proargtypes[n - 1] IN ('json'::regtype, 'jsonb'::regtype) THEN
            data := n;
            given := given || format('%%3$L::%s', format_type(proc.proargtypes[n - 1], NULL));
        ELSIF kind = 0 AND category IN ('S', 'E') THEN
            kind := n;
            given := given || format('%%2$L::%s', format_type(proc.proargtypes[n - 1], NULL));
        ELSIF n > proc.pronargs - proc.pronargdefaults THEN
            EXIT; -- this one and those after it have defaults
        ELSE
            preset := 0;
            EXIT;
        END IF;
    END LOOP;
    IF preset > 0 THEN
        call := format('SELECT public.%I(%s)', proc.proname, array_to_string(given, ', '));
    END IF;
END
$function$;

-- Create what tells which columns a function gives preset_usage that are not there: then it cannot have worked.
CREATE OR REPLACE FUNCTION usagefix.unknown_columns(source text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT string_agg(DISTINCT wanted.name, ', ')
    FROM usagefix.parted(source) AS parts
    CROSS JOIN LATERAL regexp_matches(
        parts.code, usagefix.pattern('insert') || usagefix.pattern('gap') || '*\(([^()]*)\)', 'gi') AS inserts (columns)
    CROSS JOIN LATERAL regexp_split_to_table(
        regexp_replace(inserts.columns[1], E'\x01c\\d+\x02', '', 'g'), ',') AS listed (name)
    CROSS JOIN LATERAL (SELECT btrim(listed.name, E' \t\n\r')) AS written (name)
    CROSS JOIN LATERAL (SELECT CASE WHEN written.name LIKE '"%' THEN btrim(written.name, '"') ELSE lower(written.name) END) AS wanted (name)
    WHERE wanted.name ~ '^\w+$' AND NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass('public.preset_usage') AND attname = wanted.name AND NOT attisdropped
    )
$function$;

-- Create what takes columns that preset_usage lacks out of a track_preset_usage(), each with its value; all else stays. Null
-- where the insert is not a plain one.
CREATE OR REPLACE FUNCTION usagefix.repaired_body(source text, language name, limit_stays boolean) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    gap CONSTANT text := usagefix.pattern('gap');
    code text;
    kept text[];
    part text[];
    columns text[];
    given text[];
    piece text;
    depth integer;
    column_name text;
    left_columns text[];
    left_values text[];
BEGIN
    SELECT * INTO code, kept FROM usagefix.parted(usagefix.edited_body(source, language, limit_stays));
    LOOP
        -- The insert up to its columns, those, VALUES, and the values.
        part := regexp_match(code, '(' || usagefix.pattern('insert') || gap || '*)(\([^()]*\))(' || gap || '*\mvalues\M' || gap || '*)('
            || usagefix.pattern('parenthesis') || ')', 'i');
        EXIT WHEN part IS NULL OR usagefix.unknown_columns(part[1] || part[2]) IS NULL;
        columns := string_to_array(btrim(part[2], '()'), ',');
        given := '{}'; piece := ''; depth := 0;
        FOR n IN 2 .. length(part[4]) - 1 LOOP
            depth := depth + CASE substr(part[4], n, 1) WHEN '(' THEN 1 WHEN ')' THEN -1 WHEN '[' THEN 1 WHEN ']' THEN -1 ELSE 0 END;
            IF depth = 0 AND substr(part[4], n, 1) = ',' THEN
                given := given || piece; piece := '';
            ELSE
                piece := piece || substr(part[4], n, 1);
            END IF;
        END LOOP;
        given := given || piece;
        IF cardinality(given) <> cardinality(columns) THEN
            RETURN NULL;
        END IF;
        left_columns := '{}'; left_values := '{}';
        FOR n IN 1 .. cardinality(columns) LOOP
            column_name := columns[n];
            IF usagefix.unknown_columns('INSERT INTO preset_usage (' || column_name || ')') IS NULL THEN
                left_columns := left_columns || column_name;
                left_values := left_values || given[n];
            END IF;
        END LOOP;
        code := replace(code, part[1] || part[2] || part[3] || part[4],
            part[1] || '(' || btrim(array_to_string(left_columns, ',')) || ')' || part[3] || '(' || btrim(array_to_string(left_values, ',')) || ')');
    END LOOP;
    RETURN usagefix.joined(code, kept);
END
$function$;

-- Create what tells whether a track_preset_usage() does nothing but insert the event: then one written anew loses nothing.
CREATE OR REPLACE FUNCTION usagefix.only_inserts(source text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    code text := (SELECT parts.code FROM usagefix.parted(source) AS parts);
BEGIN
    code := regexp_replace(code, E'\x01c\\d+\x02', ' ', 'g');
    code := regexp_replace(code, '^\s*\mdeclare\M.*?\mbegin\M', ' ', 'i');
    code := regexp_replace(code, usagefix.pattern('insert') || '[^;]*(;|$)', ' ', 'i');
    -- Looking up the session's user, and turning nobody away.
    code := regexp_replace(code, '\mselect\M(?:(?!\mselect\M)[^;])*\mauth\s*\.\s*uid\s*\([^;]*;', ' ', 'i');
    code := regexp_replace(code, '\mif\s+(?:\w+|auth\s*\.\s*uid\s*\(\s*\))\s+is\s+null\s+then\s+(?:raise|return)\M[^;]*;\s*end\s+if\s*;', ' ', 'gi');
    code := regexp_replace(code, '\mexception\s+when\s+others\s+then\M', ' ', 'i');
    code := regexp_replace(code, '\m(?:begin|end|null|return(?:\s+[^;]*)?)\M\s*', ' ', 'gi');
    RETURN code ~ '^[\s;]*$';
END
$function$;

-- Create what writes a track_preset_usage() anew, with the signature of the one that is there, for the columns that are
-- there. Null where that cannot be done; a caller tries it before it is believed.
CREATE OR REPLACE FUNCTION usagefix.fresh_body(tracker oid, limit_stays boolean) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    proc pg_proc;
    arguments record;
    column_there record;
    value text;
    columns text[] := '{}';
    given text[] := '{}';
    caller text := usagefix.caller();
    key_type oid;
    returned text;
    insertion text;
BEGIN
    SELECT * INTO STRICT proc FROM pg_proc WHERE oid = tracker;
    SELECT * INTO arguments FROM usagefix.tracker_arguments(tracker);
    IF arguments.call IS NULL OR proc.proretset THEN
        RETURN NULL;
    END IF;
    FOR column_there IN
        SELECT attname AS name, format_type(atttypid, atttypmod) AS type, atttypid,
               attnotnull AND NOT atthasdef AND attidentity = '' AND attgenerated = '' AS required
        FROM pg_attribute
        WHERE attrelid = to_regclass('public.preset_usage') AND attnum > 0 AND NOT attisdropped
        ORDER BY attnum
    LOOP
        IF column_there.name = 'id' THEN
            key_type := column_there.atttypid;
        END IF;
        value := CASE
            WHEN column_there.name = 'preset_id' THEN '$' || arguments.preset
            WHEN column_there.name = 'user_id' AND caller IS NOT NULL THEN 'caller'
            WHEN column_there.name = 'usage_type' AND arguments.kind > 0 THEN format('$%s::%s', arguments.kind, column_there.type)
            WHEN column_there.name = 'usage_data' AND arguments.data > 0
                THEN format('COALESCE($%s, ''{}'')::%s', arguments.data, column_there.type)
            WHEN column_there.name IN ('created_at', 'used_at') AND column_there.required THEN 'now()'
        END;
        IF value IS NOT NULL THEN
            columns := columns || quote_ident(column_there.name);
            given := given || value;
        ELSIF column_there.required THEN
            RETURN NULL;
        END IF;
    END LOOP;
    returned := CASE
        WHEN proc.prorettype = 'void'::regtype THEN ''
        WHEN proc.prorettype = 'boolean'::regtype THEN 'true'
        WHEN proc.prorettype = key_type THEN 'event_id'
    END;
    IF returned IS NULL THEN
        RETURN NULL;
    END IF;
    insertion := format('INSERT INTO public.preset_usage (%s) VALUES (%s)', array_to_string(columns, ', '), array_to_string(given, ', '))
        || CASE WHEN limit_stays THEN ' ON CONFLICT DO NOTHING /* usagefix: until the daily limit is gone */' ELSE '' END
        || CASE WHEN returned = 'event_id' THEN ' RETURNING preset_usage.id' ELSE '' END;
    IF (SELECT lanname FROM pg_language WHERE oid = proc.prolang) = 'sql' THEN
        RETURN format(E'\n    -- Written by usagefix: the one before named what preset_usage lacks. The trigger counts.\n    %s%s\n',
            replace(insertion, 'caller', COALESCE(caller, '')), CASE WHEN returned = 'true' THEN '; SELECT true' ELSE '' END);
    END IF;
    RETURN format(E'\n-- Written by usagefix: the one before named what preset_usage lacks. The trigger counts.\n%sBEGIN\n%s    %s%s;\n    RETURN %s;\nEND\n',
        CASE WHEN 'caller' = ANY (given) OR returned = 'event_id' THEN E'DECLARE\n' ELSE '' END
            || CASE WHEN 'caller' = ANY (given) THEN format(E'    caller %s := %s;\n', (
                SELECT format_type(atttypid, atttypmod) FROM pg_attribute
                WHERE attrelid = to_regclass('public.preset_usage') AND attname = 'user_id'), caller) ELSE '' END
            || CASE WHEN returned = 'event_id' THEN format(E'    event_id %s;\n', format_type(key_type, NULL)) ELSE '' END,
        CASE WHEN 'caller' = ANY (given) AND EXISTS (
                SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.preset_usage') AND attname = 'user_id' AND attnotnull)
            THEN E'    IF caller IS NULL THEN\n        RAISE EXCEPTION ''sign in to use a preset'' USING ERRCODE = ''insufficient_privilege'';\n    END IF;\n'
            ELSE '' END,
        insertion, CASE WHEN returned = 'event_id' THEN ' INTO event_id' ELSE '' END, returned);
END
$function$;

-- Create what finds somebody for a trial: a query for the session's user of an event's user_id ($1; null is anybody).
CREATE OR REPLACE FUNCTION usagefix.claim() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT format('SELECT %I::text FROM %s AS users WHERE $1 IS NULL OR users.%I::text = $1 LIMIT 1',
        COALESCE(profile.attname, key.attname), confrelid::regclass, key.attname)
    FROM pg_constraint
    JOIN pg_attribute AS users ON users.attrelid = conrelid AND conkey = ARRAY[users.attnum] AND users.attname = 'user_id'
    JOIN pg_attribute AS key ON key.attrelid = confrelid AND key.attnum = confkey[1]
    LEFT JOIN pg_attribute AS profile
        ON profile.attrelid = confrelid AND profile.attname = 'user_id' AND NOT profile.attisdropped AND profile.attnum <> key.attnum
    WHERE conrelid = to_regclass('public.preset_usage') AND contype = 'f'
    LIMIT 1
$function$;

-- Create the trial of a track_preset_usage(). Uses by one person on one day, always undone. SECURITY DEFINER, and owned by
-- the owner of presets: whatever the application's functions and triggers do in it, they cannot take a superuser's role.
CREATE OR REPLACE FUNCTION usagefix.try_call(call text, claim text, uses integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $function$
DECLARE
    event record;
    somebody text;
    tables oid[];
    recorded bigint;
    result text;
BEGIN
    IF call IS NULL OR NOT current_setting('track_counts')::boolean THEN
        RETURN NULL;
    END IF;
    BEGIN
        -- A preset that nobody holds, held for the length of the trial: other people's uses of it wait, and do not count.
        SELECT presets.id, COALESCE(presets.usage_count, 0) AS usage_count, to_jsonb(preset_usage) AS used
        INTO event
        FROM public.preset_usage
        JOIN public.presets ON presets.id = preset_usage.preset_id
        LIMIT 1
        FOR NO KEY UPDATE OF presets SKIP LOCKED;
        IF NOT FOUND THEN
            SELECT presets.id, COALESCE(presets.usage_count, 0) AS usage_count, NULL::jsonb AS used
            INTO event FROM public.presets LIMIT 1 FOR NO KEY UPDATE OF presets SKIP LOCKED;
        END IF;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        BEGIN
            EXECUTE claim INTO somebody USING event.used ->> 'user_id';
        EXCEPTION WHEN null_value_not_allowed OR insufficient_privilege THEN
            NULL; -- nothing to look at, or not for the owner of presets
        END;
        somebody := COALESCE(somebody, event.used ->> 'user_id', gen_random_uuid()::text);
        PERFORM set_config('lock_timeout', '200ms', true);
        PERFORM set_config('request.jwt.claim.sub', somebody, true);
        PERFORM set_config('request.jwt.claims', jsonb_build_object('sub', somebody)::text, true);
        -- The server's own count of rows inserted in this transaction, in all partitions: nothing is scanned.
        WITH RECURSIVE tree AS (
            SELECT 'public.preset_usage'::regclass::oid AS oid
            UNION ALL
            SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid
        )
        SELECT array_agg(oid) INTO tables FROM tree;
        recorded := (SELECT sum(pg_stat_get_xact_tuples_inserted(oid)) FROM unnest(tables) AS oid);
        FOR n IN 1 .. uses LOOP
            EXECUTE format(call, event.id, COALESCE(event.used ->> 'usage_type', 'playground_generation'), '{}');
        END LOOP;
        SELECT format('%s counted, %s recorded', COALESCE(usage_count, 0) - event.usage_count,
                      (SELECT sum(pg_stat_get_xact_tuples_inserted(oid)) FROM unnest(tables) AS oid) - recorded)
        INTO result FROM public.presets WHERE id = event.id;
        RAISE EXCEPTION USING ERRCODE = 'UF000', MESSAGE = result;
    EXCEPTION
        WHEN SQLSTATE 'UF000' THEN
            RETURN result;
        WHEN lock_not_available OR deadlock_detected OR serialization_failure OR query_canceled THEN
            RAISE;
        WHEN OTHERS THEN
            RETURN format('fails: %s: %s', SQLSTATE, SQLERRM);
    END;
END
$function$;

-- Create what tries one track_preset_usage(): what came of so many uses. Null where it cannot be tried.
CREATE OR REPLACE FUNCTION usagefix.try_tracker(tracker oid, uses integer) RETURNS text
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT usagefix.try_call(arguments.call, usagefix.claim(), uses) FROM usagefix.tracker_arguments(tracker) AS arguments
$function$;

-- Create the trial of a direct insert: a copy of an event, always undone. How often it counts; null where it cannot be tried.
CREATE OR REPLACE FUNCTION usagefix.try_insert() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $function$
DECLARE
    event record;
    columns CONSTANT text := (
        SELECT string_agg(quote_ident(attname), ', ')
        FROM pg_attribute
        WHERE attrelid = 'public.preset_usage'::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = '' AND attgenerated = ''
            AND (NOT atthasdef OR attname IN ('preset_id', 'user_id'))
    );
    counted bigint;
BEGIN
    BEGIN
        SELECT presets.id, COALESCE(presets.usage_count, 0) AS usage_count, preset_usage.tableoid, preset_usage.ctid AS place
        INTO event
        FROM public.preset_usage
        JOIN public.presets ON presets.id = preset_usage.preset_id
        LIMIT 1
        FOR NO KEY UPDATE OF presets SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        PERFORM set_config('lock_timeout', '200ms', true);
        EXECUTE format('INSERT INTO public.preset_usage (%s) SELECT %s FROM public.preset_usage WHERE tableoid = $1 AND ctid = $2',
            columns, columns) USING event.tableoid, event.place;
        SELECT COALESCE(usage_count, 0) - event.usage_count INTO counted FROM public.presets WHERE id = event.id;
        RAISE EXCEPTION USING ERRCODE = 'UF000';
    EXCEPTION
        WHEN SQLSTATE 'UF000' THEN
            RETURN counted;
        WHEN lock_not_available OR deadlock_detected OR serialization_failure OR query_canceled THEN
            RAISE;
        WHEN OTHERS THEN
            RETURN NULL;
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

-- Create what notes a trigger before it is replaced, on each event table.
CREATE OR REPLACE FUNCTION usagefix.save_trigger(saving text, wanted name) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT usagefix.save_trigger_on(saving, wanted, events.relation) FROM usagefix.event_tables() AS events
$function$;

-- Create what tells whether a function counts: its code sets the counter, itself or through a function that it calls.
CREATE OR REPLACE FUNCTION usagefix.counts(suspect oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
    WITH functions AS (
        SELECT proc.oid, proc.proname, parts.code, parts.code ~* usagefix.pattern('sets') AS sets
        FROM pg_proc AS proc
        JOIN pg_language AS languages ON languages.oid = proc.prolang AND languages.lanname IN ('sql', 'plpgsql')
        CROSS JOIN LATERAL usagefix.parted(COALESCE(pg_get_function_sqlbody(proc.oid), proc.prosrc)) AS parts
        WHERE proc.oid = suspect
            OR COALESCE(pg_get_function_sqlbody(proc.oid), proc.prosrc) ~* '\musage_count\M'
            AND proc.pronamespace NOT IN ('pg_catalog'::regnamespace, 'usagefix'::regnamespace)
    )
    SELECT EXISTS (
        SELECT FROM functions
        WHERE functions.oid = suspect AND (functions.sets OR EXISTS (
            SELECT FROM functions AS called
            WHERE called.sets AND called.oid <> suspect AND called.proname ~ '^\w+$'
                AND functions.code ~* ('\m' || called.proname || '"?\s*\(')
        ))
    )
$function$;

-- Create what holds off the triggers of others that count what ours are about to count (events: 4 INSERT, 8 DELETE, 16 UPDATE,
-- 32 TRUNCATE). One that does nothing else is disabled, or narrowed to its other events; out of one that does more the
-- counting is taken. Each is noted first, so that rollback gives it back.
CREATE OR REPLACE FUNCTION usagefix.hold_off(saving text, events integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    other record;
    function_code record;
    rest text;
BEGIN
    FOR other IN
        SELECT existing.oid, existing.tgname AS name, existing.tgrelid::regclass AS relation, existing.tgfoid AS function,
               existing.tgtype::integer & 60 & ~events AS further, existing.tgconstraint <> 0 AS constrains, existing.tgenabled AS enabled,
               existing.tgfoid = COALESCE(to_regprocedure('public.auto_increment_preset_usage_count()'), 0::oid) AS is_ours
        FROM usagefix.event_tables() AS tables
        JOIN pg_trigger AS existing ON existing.tgrelid = tables.relation
        WHERE NOT existing.tgisinternal AND existing.tgparentid = 0 AND existing.tgenabled <> 'D'
            AND existing.tgtype::integer & events <> 0
            AND existing.tgname !~ '^trigger_auto_(increment|adjust)_preset_usage_count(_(row|enter|leave|delete|update|truncate|truncating))?$'
        ORDER BY existing.tgrelid, existing.tgname
    LOOP
        CONTINUE WHEN NOT other.is_ours AND NOT usagefix.counts(other.function);
        PERFORM usagefix.save_trigger_on(saving, other.name, other.relation);
        SELECT languages.lanname AS language, parts.code, parts.kept INTO function_code
        FROM pg_proc AS proc
        JOIN pg_language AS languages ON languages.oid = proc.prolang
        CROSS JOIN LATERAL usagefix.parted(proc.prosrc) AS parts
        WHERE proc.oid = other.function;
        -- What is left without the counting, and without what any trigger function has.
        rest := regexp_replace(function_code.code, usagefix.pattern('counting') || '|' || usagefix.pattern('incrementing'), '', 'gi');
        rest := regexp_replace(rest, E'\\m(?:els)?if\\s+tg_op\\s*=\\s*\x01s\\d+\x02\\s+then\\M', '', 'gi');
        rest := regexp_replace(rest, '\m(?:declare|begin|end\s+if|end|else|null|return\s+(?:new|old|null))\M', '', 'gi');
        IF other.is_ours OR rest ~ E'^(?:[\\s;]|\x01c\\d+\x02)*$' THEN
            IF other.further <> 0 AND NOT other.constrains THEN
                EXECUTE regexp_replace(pg_get_triggerdef(other.oid), '^CREATE TRIGGER ("(?:[^"]|"")+"|\S+) (BEFORE|AFTER) INSERT OR ',
                    'CREATE OR REPLACE TRIGGER \1 \2 ');
                EXECUTE format('ALTER TABLE %s ENABLE %s TRIGGER %I', other.relation,
                    CASE other.enabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END, other.name);
            ELSE
                EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', other.relation, other.name);
            END IF;
            RAISE NOTICE 'trigger % on % counts too: it is held off from now on', other.name, other.relation USING ERRCODE = 'UF002';
        ELSIF other.further <> 0 OR EXISTS (
            SELECT FROM pg_trigger
            WHERE tgfoid = other.function AND oid <> other.oid AND NOT tgisinternal AND tgparentid = 0
        ) THEN
            RAISE EXCEPTION 'trigger % on % counts too, and does more than that', other.name, other.relation
                USING ERRCODE = 'feature_not_supported',
                      HINT = format('Remove from %s what changes usage_count, then run this again.', other.function::regprocedure);
        ELSE
            PERFORM usagefix.save_function(saving, other.function::regprocedure::text);
            PERFORM usagefix.replace_body(other.function, usagefix.joined(
                usagefix.without_counting(function_code.code, function_code.language, other.function::regprocedure::text), function_code.kept));
            UPDATE usagefix.saved_objects
            SET how = 'edited', left_behind = (SELECT prosrc FROM pg_proc WHERE oid = other.function)
            WHERE version = saving AND kind = 'function' AND identity = other.function::regprocedure::text;
            RAISE NOTICE 'trigger % on % counts too: its function % does the rest of its work without that',
                other.name, other.relation, other.function::regprocedure USING ERRCODE = 'UF002';
        END IF;
    END LOOP;
END
$function$;

-- Create what lets a track_preset_usage() work with the counting triggers, and without the daily limit where that goes. It is
-- edited; one that never worked here, since it names columns that are not there, is repaired, or written anew if it does
-- nothing else; each is believed only after a trial, and what does not pass stays as it was. before: what came of a trial
-- before. Returns what came of the last one.
CREATE OR REPLACE FUNCTION usagefix.fit_tracker(tracker oid, before text, limit_stays boolean) RETURNS text
LANGUAGE plpgsql
AS $function$
DECLARE
    proc record;
    uses CONSTANT integer := CASE WHEN limit_stays THEN 1 ELSE 2 END;
    checking CONSTANT text := current_setting('check_function_bodies');
    nothing CONSTANT text := '0 counted, 0 recorded';
    wanted CONSTANT text := format('%s counted, %s recorded', uses, uses);
    first text;
    unknown text;
    never_worked boolean;
    afterwards text;
    done text := 'edited';
BEGIN
    SELECT functions.oid::regprocedure AS signature, functions.prosrc AS body, languages.lanname AS language INTO STRICT proc
    FROM pg_catalog.pg_proc AS functions
    JOIN pg_catalog.pg_language AS languages ON languages.oid = functions.prolang
    WHERE functions.oid = tracker;
    unknown := usagefix.unknown_columns(proc.body);
    -- What a trial said before anything was changed: a second run, without the limit, would find it failing for want of that.
    UPDATE usagefix.saved_objects
    SET tried = CASE WHEN left_behind = proc.body THEN tried ELSE COALESCE(before, 'not tried') END
    WHERE version = '20250930000001' AND kind = 'function' AND pg_catalog.to_regprocedure(identity) = tracker
    RETURNING NULLIF(tried, 'not tried') INTO first;
    -- Only what names columns that are not there, and fails for it (or hides that it does), is known never to have worked.
    never_worked := COALESCE(unknown IS NOT NULL AND (first LIKE 'fails: 42703%' OR first LIKE '%, 0 recorded'), false);
    IF NOT never_worked THEN
        PERFORM usagefix.replace_body(tracker, usagefix.edited_body(proc.body, proc.language, limit_stays));
        afterwards := usagefix.try_tracker(tracker, uses);
    ELSE
        -- While the limit stays, somebody may have used the preset today; tried without a clause that would hide it.
        FOREACH done IN ARRAY ARRAY['repaired', 'rewritten'] LOOP
            CONTINUE WHEN done = 'rewritten' AND NOT usagefix.only_inserts(proc.body);
            BEGIN
                PERFORM usagefix.replace_body(tracker, CASE done WHEN 'repaired'
                    THEN usagefix.repaired_body(proc.body, proc.language, false) ELSE usagefix.fresh_body(tracker, false) END);
                afterwards := usagefix.try_tracker(tracker, uses);
                IF limit_stays THEN
                    PERFORM usagefix.replace_body(tracker, CASE done WHEN 'repaired'
                        THEN usagefix.repaired_body(proc.body, proc.language, true) ELSE usagefix.fresh_body(tracker, true) END);
                END IF;
            EXCEPTION
                WHEN lock_not_available OR deadlock_detected OR serialization_failure OR query_canceled THEN
                    RAISE;
                WHEN OTHERS THEN
                    afterwards := NULL; -- not even a function
            END;
            EXIT WHEN afterwards = wanted OR limit_stays AND afterwards LIKE 'fails: 23505%';
        END LOOP;
    END IF;
    IF never_worked THEN
        IF afterwards = wanted OR limit_stays AND afterwards LIKE 'fails: 23505%' THEN
            RAISE NOTICE '% never worked here, for it names columns that preset_usage lacks (%): %', proc.signature, unknown,
                CASE done WHEN 'repaired' THEN 'they are taken out of it' ELSE 'it is written anew, with the same signature' END
                USING ERRCODE = 'UF002';
        ELSE
            done := 'kept';
            PERFORM set_config('check_function_bodies', 'off', true); -- it may be one that PostgreSQL would refuse today
            PERFORM usagefix.replace_body(tracker, proc.body);
            PERFORM set_config('check_function_bodies', checking, true);
            RAISE WARNING '% does not work, and usagefix cannot write one that does: it is left as it was (%)', proc.signature,
                'it names columns that preset_usage lacks: ' || unknown
                USING ERRCODE = 'UF002', HINT = 'Write it anew: all it needs is to insert the event. The trigger counts.';
        END IF;
    ELSIF afterwards = wanted OR limit_stays AND afterwards = nothing THEN
        NULL;
    ELSIF afterwards LIKE 'fails: %' AND COALESCE(before LIKE 'fails: %', true)
        AND NOT (afterwards LIKE 'fails: 42P10%' AND COALESCE(first NOT LIKE 'fails: %', false)) THEN -- for want of the daily limit
        RAISE WARNING '% could not be tried: before the fix and with it, it %', proc.signature, afterwards USING ERRCODE = 'UF002';
    ELSIF afterwards = nothing AND COALESCE(before = nothing, true) THEN
        RAISE WARNING '% records nothing when it is tried, neither before the fix nor with it', proc.signature USING ERRCODE = 'UF002';
    ELSIF afterwards IS NOT NULL THEN
        RAISE EXCEPTION 'tried with the fix, track_preset_usage() does not count right: % of % uses', afterwards, uses
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Does it, or a trigger of the application, change usage_count as well? The trigger of the fix counts.';
    END IF;
    UPDATE usagefix.saved_objects
    SET how = CASE WHEN how IN ('repaired', 'rewritten') THEN how ELSE done END, left_behind = (SELECT prosrc FROM pg_catalog.pg_proc WHERE oid = tracker)
    WHERE version = '20250930000001' AND kind = 'function' AND pg_catalog.to_regprocedure(identity) = tracker;
    RETURN afterwards;
END
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
        -- One of the application's that was only edited: grants and owner were never touched, and what it changed or dropped
        -- since is its own.
        IF saved.left_behind IS NOT NULL THEN
            IF EXISTS (SELECT FROM pg_proc WHERE oid = to_regprocedure(saved.identity) AND prosrc = saved.left_behind) THEN
                EXECUTE saved.definition;
            ELSE
                RAISE NOTICE '% was changed or dropped since: it stays as it is', saved.identity USING ERRCODE = 'UF002';
            END IF;
            CONTINUE;
        END IF;
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
            AND functions.identity ~ '\m(auto_increment|auto_adjust|guard)_preset_usage_count\(\)$'
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
        IF saved.identity !~ '^(trigger_auto_(increment|adjust)|(zz_)?trigger_guard)_preset_usage_count' AND NOT EXISTS (
            SELECT FROM pg_trigger
            WHERE tgrelid = to_regclass(saved.relation) AND format('%s ON %s', tgname, saved.relation) = saved.identity
        ) THEN
            RAISE NOTICE 'trigger % was dropped since: it stays away', saved.identity USING ERRCODE = 'UF002';
            CONTINUE;
        END IF;
        IF saved.definition !~ '^CREATE CONSTRAINT' THEN -- of those only the state was changed
            EXECUTE regexp_replace(saved.definition, '^CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER');
        END IF;
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

-- Create what reads the path that the database or the owner is configured with; only schemas in which nobody but the owner of
-- the tables, of the database or a superuser can plant an object.
CREATE OR REPLACE FUNCTION usagefix.configured_path() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT string_agg(quote_ident(schema), ', ' ORDER BY rank)
    FROM (
        SELECT namespace.nspname AS schema, min(part.n) AS rank
        FROM pg_db_role_setting AS settings
        JOIN pg_class AS counters ON counters.oid = 'public.presets'::regclass
        JOIN pg_database AS here ON here.datname = current_database()
        CROSS JOIN LATERAL unnest(settings.setconfig) AS configured (entry)
        CROSS JOIN LATERAL string_to_table(substr(configured.entry, 13), ',') WITH ORDINALITY AS part (name, n)
        JOIN pg_namespace AS namespace ON namespace.nspname = btrim(part.name, ' "')
        JOIN pg_roles AS owners ON owners.oid = namespace.nspowner
        WHERE settings.setdatabase IN (0::oid, here.oid) AND settings.setrole IN (0::oid, counters.relowner)
            AND configured.entry LIKE 'search\_path=%'
            AND namespace.oid NOT IN ('public'::regnamespace, 'pg_catalog'::regnamespace) AND namespace.nspname !~ '^pg_temp'
            AND (owners.rolsuper OR owners.oid IN (counters.relowner, here.datdba))
            AND NOT EXISTS (
                SELECT FROM aclexplode(namespace.nspacl) AS granted
                WHERE granted.privilege_type = 'CREATE' AND granted.grantee NOT IN (counters.relowner, namespace.nspowner)
            )
        GROUP BY namespace.nspname
    ) AS configured
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

    path := usagefix.configured_path();
    IF path IS NOT NULL THEN
        EXECUTE format('ALTER FUNCTION %s SET search_path = public, %s, pg_temp', counting, path);
    END IF;
    -- Times without a zone are read as UTC, whatever zone a writer is in.
    IF EXISTS (
        SELECT FROM pg_attribute
        WHERE atttypid = 'timestamp'::regtype AND NOT attisdropped AND (
            attrelid = 'public.presets'::regclass AND attname = 'last_used_at'
            OR attrelid = to_regclass('public.preset_usage') AND attname IN ('created_at', 'used_at'))
        HAVING count(*) = 1
    ) THEN
        EXECUTE format('ALTER FUNCTION %s SET timezone = %L', counting, 'UTC');
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
            OR events.newest > COALESCE(presets.last_used_at, '-infinity') --? presets.last_used_at, preset_usage.created_at
        ;

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
        EXECUTE format('ALTER FUNCTION usagefix.try_call(text, text, integer) OWNER TO %I', owner);
        EXECUTE format('ALTER FUNCTION usagefix.try_insert() OWNER TO %I', owner);
    END IF;
    -- track_preset_usage() is tried under the path that sessions have.
    EXECUTE format('ALTER FUNCTION usagefix.try_call(text, text, integer) SET search_path = %s',
        concat_ws(', ', 'public', usagefix.configured_path(), 'pg_temp'));
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
