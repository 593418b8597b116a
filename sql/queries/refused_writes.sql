-- Writes of the counter that the guard refused and that were not rolled back, by mode, role, application and the
-- functions that led to them: the ledger may hold several rows for the same.
SELECT mode, role, application, via, sum(writes) AS writes, min(first_at) AS first_at, max(last_at) AS last_at
FROM usagefix.refused_writes
WHERE counter = 'preset_usage_count'::name
GROUP BY mode, role, application, via
ORDER BY max(last_at) DESC, role, application, via, mode
