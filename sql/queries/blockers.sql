-- The sessions that one session waits for, the oldest first. Parameters: pid (of that session), queries (whether to
-- return their statements, which may hold data).
SELECT nullif(blocking.pid, 0) AS pid, COALESCE(activity.usename::text, '') AS role,
    COALESCE(activity.application_name, '') AS application, COALESCE(activity.state, '') AS state,
    EXTRACT(epoch FROM clock_timestamp() - activity.xact_start)::double precision AS seconds,
    CASE WHEN activity.usename IS NULL THEN COALESCE(activity.backend_type,
        CASE WHEN pg_is_in_recovery() THEN 'startup' ELSE 'background process' END) ELSE '' END AS process,
    CASE WHEN %(queries)s THEN left(activity.query, 200) END AS query
FROM unnest(pg_catalog.pg_blocking_pids(%(pid)s)) AS blocking (pid)
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = blocking.pid
GROUP BY blocking.pid, activity.usename, activity.application_name, activity.state, activity.xact_start, activity.query,
    activity.backend_type
ORDER BY activity.xact_start NULLS LAST
LIMIT 3
