-- Back to what was there before apply.sql; the counters keep their values.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f rollback.sql
--
-- Two uses on one day do not fit the old daily limit: then it stops before anything is changed. Setting:
--   usagefix.daily_limit = skip      leave the limit off, and keep the fixed track_preset_usage() (the old one needs it)
-- as in PGOPTIONS="-c usagefix.daily_limit=skip" psql … The index is built here while writers wait;
-- `usagefix rollback` builds it beforehand, with CREATE INDEX CONCURRENTLY.

-- Wait at most a second for a lock, unless the caller has said otherwise.
DO $do$
BEGIN
    IF current_setting('lock_timeout') = '0' THEN
        PERFORM set_config('lock_timeout', '1s', true);
    END IF;
END
$do$;

-- The ledger is believed only where nobody else can have written to it.
DO $do$
DECLARE
    recorded boolean := false;
BEGIN
    IF to_regclass('usagefix.saved_objects') IS NOT NULL THEN
        recorded := EXISTS (SELECT FROM usagefix.saved_objects WHERE version = '20250930000001');
    END IF;
    IF NOT recorded THEN
        RAISE EXCEPTION 'nothing is recorded of version 20250930000001, so there is nothing to go back to'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'It was rolled back before, or not applied with usagefix.';
    ELSIF EXISTS (SELECT FROM usagefix.saved_objects WHERE version > '20250930000001') THEN
        RAISE EXCEPTION 'a later version is applied' USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Roll back the newest first.';
    ELSIF EXISTS (
        SELECT FROM (
            SELECT relowner AS owner, COALESCE(relacl, acldefault('r', relowner)) AS acl
            FROM pg_catalog.pg_class WHERE oid = 'usagefix.saved_objects'::regclass
            UNION ALL
            SELECT proowner, COALESCE(proacl, acldefault('f', proowner))
            FROM pg_catalog.pg_proc WHERE pronamespace = 'usagefix'::regnamespace
        ) AS parts
        JOIN pg_catalog.pg_roles AS owners ON owners.oid = parts.owner
        CROSS JOIN LATERAL aclexplode(parts.acl) AS granted
        WHERE granted.grantee <> parts.owner
            OR NOT (owners.rolsuper OR owners.rolname = current_user OR owners.oid = (
                SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'public.presets'::regclass))
    ) THEN
        RAISE EXCEPTION 'other roles may change schema usagefix, so what is recorded there cannot be trusted'
            USING ERRCODE = 'insufficient_privilege', HINT = 'Look at its definitions, and revoke the grants.';
    END IF;
END
$do$;

-- The daily limit.
DO $do$
DECLARE
    saved usagefix.saved_objects;
    extra text;
BEGIN
    SELECT * INTO saved FROM usagefix.saved_objects WHERE version = '20250930000001' AND kind = 'index';
    IF saved.definition IS NULL OR COALESCE(current_setting('usagefix.daily_limit', true), '') = 'skip' THEN
        RETURN;
    END IF;
    IF to_regclass(saved.identity) IS NULL THEN
        BEGIN
            EXECUTE saved.definition;
        EXCEPTION WHEN unique_violation THEN
            RAISE EXCEPTION 'some presets were used twice on one day, which the daily limit forbids'
                USING ERRCODE = 'unique_violation',
                      HINT = 'PGOPTIONS="-c usagefix.daily_limit=skip" psql … leaves the limit off.';
        END;
    END IF;
    IF saved.comment IS NOT NULL THEN
        EXECUTE format('COMMENT ON INDEX %s IS %L', saved.identity, saved.comment);
    END IF;
    FOREACH extra IN ARRAY saved.extras LOOP
        EXECUTE extra;
    END LOOP;
END
$do$;

-- track_preset_usage(), as it was; CREATE OR REPLACE keeps owner, grants and comment. With skip the one of now stays.
DO $do$
DECLARE
    saved usagefix.saved_objects;
    checking CONSTANT text := current_setting('check_function_bodies');
BEGIN
    IF COALESCE(current_setting('usagefix.daily_limit', true), '') = 'skip' THEN
        RETURN;
    END IF;
    PERFORM set_config('check_function_bodies', 'off', true); -- it may be one that never worked
    FOR saved IN
        SELECT * FROM usagefix.saved_objects
        WHERE version = '20250930000001' AND kind = 'function' AND definition IS NOT NULL
            AND identity LIKE 'public.track\_preset\_usage(%' AND to_regprocedure(identity) IS NOT NULL
    LOOP
        EXECUTE saved.definition;
    END LOOP;
    PERFORM set_config('check_function_bodies', checking, true);
END
$do$;

-- The trigger, then its function: gone, or as they were. Readers and writers wait from here to the commit.
SELECT usagefix.restore_counting('20250930000001');

-- Deltas that still wait were exact only while the trigger counted.
DO $do$
BEGIN
    DELETE FROM usagefix.corrections WHERE applied_at IS NULL;
    UPDATE usagefix.backfills SET finished_at = clock_timestamp() WHERE finished_at IS NULL;
    DELETE FROM usagefix.saved_objects WHERE version = '20250930000001';
    INSERT INTO usagefix.history (version, action) VALUES ('20250930000001', 'rollback');
END
$do$;
