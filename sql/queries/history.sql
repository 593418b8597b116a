-- The last action for each version: applied or rolled back.
SELECT DISTINCT ON (version) version, action, at AS applied_at, by_role AS applied_by, tool, checksum
FROM usagefix.history
WHERE counter = 'preset_usage_count'::name
ORDER BY version, entry DESC
