-- Back to what was there before apply.sql; the counters keep their values. Anything may write them then, and brings drift back.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f rollback.sql

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
        recorded := EXISTS (SELECT FROM usagefix.saved_objects WHERE version = '20251101000001');
    END IF;
    IF NOT recorded THEN
        RAISE EXCEPTION 'nothing is recorded of version 20251101000001, so there is nothing to go back to'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'It was rolled back before, or not applied with usagefix.';
    ELSIF EXISTS (SELECT FROM usagefix.saved_objects WHERE version > '20251101000001') THEN
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

-- The triggers, then their function: gone, or as they were. Readers and writers of presets wait from here to the commit.
SELECT usagefix.restore_counting('20251101000001');

-- What was refused stays in the ledger: it is history.
DO $do$
BEGIN
    DELETE FROM usagefix.saved_objects WHERE version = '20251101000001';
    INSERT INTO usagefix.history (version, action) VALUES ('20251101000001', 'rollback');
END
$do$;
