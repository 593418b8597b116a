-- Who tried to write the counter beside the triggers, as the guard noted it, the latest first.
SELECT mode AS mode, role AS role, application AS application, via AS via, sum(writes)::bigint AS writes,
    min(first_at)::timestamptz AS first_at, max(last_at)::timestamptz AS last_at
FROM usagefix.refused_writes
GROUP BY mode, role, application, via
ORDER BY max(last_at) DESC, role, application, via, mode
LIMIT 20
