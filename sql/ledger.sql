-- The ledger, schema usagefix: what was applied and what that replaced, which counters were corrected, and who else
-- tried to write them. It has tables only, so nothing in it runs. Application roles cannot read it.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f ledger.sql -f <version>/stops.sql -f <version>/apply.sql
--
-- A second run changes nothing. A rollback keeps it: `usagefix rollback --purge`, or DROP SCHEMA usagefix CASCADE.

-- Look up every name in pg_catalog, and wait at most 1.5 seconds for a lock, unless lock_timeout is set already
DO $do$ BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lock_timeout', COALESCE(NULLIF(current_setting('lock_timeout'), '0'), '1500ms'), true);
END $do$;

-- The schema. A role without CREATE on the database can use one that is there
DO $do$ BEGIN IF to_regnamespace('usagefix') IS NULL THEN CREATE SCHEMA usagefix; END IF; END $do$;

-- Refuse a schema of another owner, and one with a trigger, rule or policy
DO $do$ BEGIN
    IF EXISTS (
        SELECT FROM pg_namespace JOIN pg_roles ON pg_roles.oid = nspowner
        WHERE nspname = 'usagefix' AND rolname <> current_user AND NOT pg_has_role(nspowner, (
            SELECT relowner FROM pg_class WHERE oid = 'public.presets'::regclass), 'MEMBER')
    ) OR EXISTS (
        SELECT FROM pg_class WHERE relnamespace = 'usagefix'::regnamespace AND relkind = 'r' AND oid IN (
            SELECT tgrelid FROM pg_trigger UNION SELECT ev_class FROM pg_rewrite UNION SELECT polrelid FROM pg_policy)
    ) THEN
        RAISE EXCEPTION 'another role owns schema usagefix, or a trigger, rule or policy acts on one of its tables'
            USING ERRCODE = 'insufficient_privilege', HINT = 'Check it, and drop it if usagefix did not create it.';
    END IF;
END $do$;

-- The counters in this ledger: their tables and columns, and the events that they count
CREATE TABLE IF NOT EXISTS usagefix.counters (
    counter text COLLATE "C" NOT NULL PRIMARY KEY, definition jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The history: each version that was applied or rolled back, when, and by which role
CREATE TABLE IF NOT EXISTS usagefix.history (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, counter text COLLATE "C" NOT NULL,
    version text NOT NULL, action text NOT NULL CHECK (action IN ('apply', 'rollback')),
    at timestamptz NOT NULL DEFAULT clock_timestamp(), by_role text NOT NULL DEFAULT session_user,
    application text NOT NULL DEFAULT current_setting('application_name'),
    tool text DEFAULT NULLIF(current_setting('usagefix.tool', true), ''),
    checksum text DEFAULT NULLIF(current_setting('usagefix.checksum', true), '')
);

-- What apply replaced, for rollback. definition: null if there was nothing; extras: statements that complete it;
-- left_behind, how: the body that apply put there, and how apply made it
CREATE TABLE IF NOT EXISTS usagefix.saved_objects (
    counter text COLLATE "C" NOT NULL, version text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('function', 'trigger', 'index')), identity text NOT NULL,
    definition text, extras text[] NOT NULL DEFAULT '{}',
    key_columns text[], key_attributes text[], predicate text,
    left_behind text, how text CHECK (how IN ('edited', 'repaired', 'rewritten', 'kept')),
    saved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (counter, version, kind, identity)
);

-- The runs of the backfill
CREATE TABLE IF NOT EXISTS usagefix.backfills (
    run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, counter text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(), finished_at timestamptz,
    by_role text NOT NULL DEFAULT session_user,
    application text NOT NULL DEFAULT current_setting('application_name'),
    tool text DEFAULT NULLIF(current_setting('usagefix.tool', true), ''),
    backend_pid integer NOT NULL DEFAULT pg_backend_pid(), lease_until timestamptz
);

-- The corrected counters: what each showed and should have shown when it was counted, the delta, and what it became.
-- applied_at is null while the delta is pending; actual is null if only the time of the last use was too old
CREATE TABLE IF NOT EXISTS usagefix.corrections (
    counter text COLLATE "C" NOT NULL, run bigint NOT NULL, place bigint NOT NULL, row_key text NOT NULL,
    displayed numeric, actual numeric, delta numeric NOT NULL, newest timestamptz,
    became numeric, applied_at timestamptz,
    PRIMARY KEY (run, place)
);

-- Uses that a counter holds in addition to its events: what it showed too much when a person decided to trust it
CREATE TABLE IF NOT EXISTS usagefix.baselines (
    counter text COLLATE "C" NOT NULL, row_key text NOT NULL, baseline numeric NOT NULL, run bigint NOT NULL,
    PRIMARY KEY (counter, row_key)
);

-- The triggers add a row if pending deltas may be wrong: a counter that was too low stopped at zero, or all events were
-- truncated. A backfill that finds a row here counts again
CREATE TABLE IF NOT EXISTS usagefix.held_at_zero (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, counter text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Refused writes of the counter. A writer updates a row that nobody has locked, or adds one; readers add them up.
-- at_once: how often the newest transaction updated the row
CREATE TABLE IF NOT EXISTS usagefix.refused_writes (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, counter text COLLATE "C" NOT NULL,
    mode text NOT NULL, role text NOT NULL, application text NOT NULL, via text NOT NULL,
    first_at timestamptz NOT NULL DEFAULT clock_timestamp(), last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    writes bigint NOT NULL DEFAULT 1, in_transaction text NOT NULL, at_once integer NOT NULL DEFAULT 1
) WITH (fillfactor = 50);

-- How many writes were rejected, and how many were not recorded because there were too many: these have no row
CREATE SEQUENCE IF NOT EXISTS usagefix.rejected_preset_usage_count;
CREATE SEQUENCE IF NOT EXISTS usagefix.unnoted_preset_usage_count;

-- Close the ledger. It has one owner, even if event triggers changed that, and no other role has privileges, even by
-- default. The owners of presets and of other counters may write what their counting functions and guards record
DO $do$
DECLARE
    ledger CONSTANT name := (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'usagefix');
    counting CONSTANT name := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.presets'::regclass);
    part record;
BEGIN
    FOR part IN
        SELECT oid::regclass AS name, relkind = 'S' AS is_sequence, pg_get_userbyid(relowner) <> ledger AS misowned,
            relrowsecurity OR relforcerowsecurity AS secured
        FROM pg_class
        WHERE relnamespace = 'usagefix'::regnamespace
            AND (relkind = 'r' OR relname IN ('rejected_preset_usage_count'::name, 'unnoted_preset_usage_count'::name))
    LOOP
        IF part.misowned THEN
            EXECUTE format('ALTER %s %s OWNER TO %I',
                CASE WHEN part.is_sequence THEN 'SEQUENCE' ELSE 'TABLE' END, part.name, ledger);
        END IF;
        IF part.secured THEN
            EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', part.name);
        END IF;
    END LOOP;
    FOR part IN
        SELECT DISTINCT COALESCE(quote_ident(roles.rolname), 'PUBLIC') AS grantee
        FROM (
            SELECT nspacl AS acl, nspowner AS owner FROM pg_namespace WHERE nspname = 'usagefix'
            UNION ALL SELECT relacl, relowner FROM pg_class WHERE relnamespace = 'usagefix'::regnamespace
        ) AS parts
        CROSS JOIN LATERAL aclexplode(parts.acl) AS granted
        LEFT JOIN pg_roles AS roles ON roles.oid = granted.grantee
        WHERE granted.grantee <> parts.owner AND (roles.rolname = counting OR granted.grantee NOT IN (
                SELECT relowner FROM pg_class JOIN usagefix.counters
                    ON pg_class.oid = to_regclass(format('%I.%I', definition ->> 'schema', definition ->> 'parent'))))
            AND (granted.privilege_type NOT IN ('SELECT', 'USAGE') -- a later grant to read stays
                OR NOT EXISTS (SELECT FROM usagefix.history))
    LOOP
        EXECUTE format('REVOKE ALL ON SCHEMA usagefix FROM %s CASCADE', part.grantee);
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA usagefix FROM %s CASCADE', part.grantee);
        IF part.grantee <> quote_ident(counting) THEN -- which may own another counter
            EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA usagefix FROM %s CASCADE', part.grantee);
        END IF;
    END LOOP;
    IF counting <> ledger THEN
        EXECUTE format('GRANT USAGE ON SCHEMA usagefix TO %I', counting);
        EXECUTE format('GRANT INSERT ON usagefix.held_at_zero TO %I', counting);
        EXECUTE format('GRANT SELECT, UPDATE, DELETE ON usagefix.baselines TO %I', counting);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON usagefix.refused_writes TO %I', counting);
        EXECUTE format('GRANT USAGE, UPDATE ON %s, %s TO %I', 'usagefix.rejected_preset_usage_count'::regclass,
            'usagefix.unnoted_preset_usage_count'::regclass, counting);
    END IF;
END
$do$;
