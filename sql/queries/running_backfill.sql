-- An active backfill of this counter: unfinished, with a valid lease and a live session.
SELECT backfills.run AS run, backfills.by_role AS by_role, backfills.backend_pid AS backend_pid
FROM usagefix.backfills
WHERE backfills.counter = 'preset_usage_count'::name
    AND backfills.finished_at IS NULL AND backfills.lease_until > clock_timestamp()
    AND backfills.backend_pid <> pg_catalog.pg_backend_pid()
    AND EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS activity WHERE activity.pid = backfills.backend_pid)
LIMIT 1
