-- The application's own triggers on presets that a correction of usage_count and last_used_at would fire: for each row
-- or once a statement, and whether they have a condition.
SELECT existing.tgname::text AS name, existing.tgenabled::text AS enabled,
    existing.tgtype::integer & 1 = 1 AS for_each_row, existing.tgqual IS NOT NULL AS conditional
FROM pg_catalog.pg_trigger AS existing
WHERE existing.tgrelid = to_regclass(%(parent)s) AND NOT existing.tgisinternal
    AND existing.tgtype::integer & 16 = 16 AND existing.tgenabled <> 'D'
    AND existing.tgfoid IS DISTINCT FROM to_regprocedure(%(guard)s)
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_proc AS ours
        WHERE ours.oid = existing.tgfoid AND (ours.proconfig::text LIKE E'%%, pg\\_usagefix\\_%%'
            OR strpos(ours.prosrc, 'usagefix.refused_writes') > 0))
    AND (existing.tgattr::text = '' OR EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS watched
        WHERE watched.attrelid = existing.tgrelid AND watched.attnum = ANY (existing.tgattr)
            AND watched.attname IN (%(column)s, %(last)s)
    ))
ORDER BY existing.tgname
