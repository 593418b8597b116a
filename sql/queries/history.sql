-- The versions that are applied: those whose newest entry is an apply.
SELECT version, at AS applied_at, by_role AS applied_by, tool, checksum
FROM (
    SELECT DISTINCT ON (version) version, action, at, by_role, tool, checksum
    FROM usagefix.history
    ORDER BY version, entry DESC
) AS latest
WHERE action = 'apply'
ORDER BY version
