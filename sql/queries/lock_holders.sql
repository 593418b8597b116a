-- Sessions that hold locks on the two tables which writers or catalog changes wait for, the oldest transaction first.
SELECT holders.pid AS pid, COALESCE(activity.usename::text, '') AS role,
    COALESCE(activity.application_name, '') AS application, COALESCE(activity.state, '') AS state,
    EXTRACT(epoch FROM clock_timestamp() - activity.xact_start)::double precision AS seconds,
    string_agg(DISTINCT holders.relation::regclass || ': ' || holders.mode, ', ') AS locks
FROM pg_catalog.pg_locks AS holders
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = holders.pid
WHERE holders.relation IN (to_regclass('public.presets'), to_regclass('public.preset_usage'))
    AND holders.granted AND holders.pid <> pg_catalog.pg_backend_pid()
    AND holders.mode NOT IN ('AccessShareLock')
GROUP BY holders.pid, activity.usename, activity.application_name, activity.state, activity.xact_start
ORDER BY activity.xact_start NULLS LAST
LIMIT 3
