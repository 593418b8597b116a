-- The jobs of pg_cron in this database. Older versions lack some of the columns.
SELECT COALESCE(nullif(to_jsonb(job) ->> 'jobname', ''), to_jsonb(job) ->> 'jobid', '') AS name,
    COALESCE(to_jsonb(job) ->> 'schedule', '') AS schedule, COALESCE(to_jsonb(job) ->> 'command', '') AS command
FROM cron.job AS job
WHERE COALESCE((to_jsonb(job) ->> 'active')::boolean, true)
    AND COALESCE(to_jsonb(job) ->> 'database', pg_catalog.current_database()) = pg_catalog.current_database()
ORDER BY name
