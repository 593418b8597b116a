-- Sessions and prepared transactions that hold locks on the tables or their partitions, the oldest first. Parameters:
-- others (tables besides the two of the counter, as SQL names them), readers (whether sessions that only read block,
-- too, as for an index change or a dropped trigger), queries (whether to return their statements, which may hold data).
SELECT holders.pid AS pid, COALESCE(activity.usename::text, '') AS role,
    COALESCE(activity.application_name, '') AS application, COALESCE(activity.state, '') AS state,
    EXTRACT(epoch FROM clock_timestamp() - activity.xact_start)::double precision AS seconds,
    CASE WHEN activity.usename IS NULL THEN COALESCE(activity.backend_type,
        CASE WHEN pg_is_in_recovery() THEN 'startup' ELSE 'background process' END) ELSE '' END AS process,
    CASE WHEN %(queries)s THEN left(activity.query, 200) END AS query
FROM pg_catalog.pg_locks AS holders
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = holders.pid
WHERE holders.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    AND holders.relation IN (
        SELECT COALESCE(tree.relid, to_regclass(named))
        FROM unnest(ARRAY[%(parent)s, %(child)s] || %(others)s::text[]) AS tables (named)
        LEFT JOIN LATERAL pg_catalog.pg_partition_tree(to_regclass(named)) AS tree ON true)
    AND holders.granted AND holders.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
    AND (%(readers)s OR holders.mode <> 'AccessShareLock')
GROUP BY holders.pid, activity.usename, activity.application_name, activity.state, activity.xact_start, activity.query,
    activity.backend_type
ORDER BY activity.xact_start NULLS LAST
LIMIT 3
