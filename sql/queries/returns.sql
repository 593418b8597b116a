-- What restores to each counter the value before it was corrected: the opposite of its corrections since the version
-- was applied, unless these are undone already. A counter that was NULL is included, unless it must have a value now.
-- Parameter: version.
SELECT presets.id AS which, corrections.row_key, -sum(corrections.delta) AS delta,
    COALESCE((array_agg(corrections.displayed ORDER BY corrections.run, corrections.place))[1], columns.nothing)
        AS displayed
FROM usagefix.corrections
JOIN public.presets ON presets.id::text = corrections.row_key
CROSS JOIN (
    SELECT CASE WHEN attnotnull THEN 0 END AS nothing FROM pg_catalog.pg_attribute
    WHERE attrelid = to_regclass(%(parent)s) AND attname = %(column)s
) AS columns
WHERE corrections.counter = 'preset_usage_count'::name AND corrections.applied_at > COALESCE((
    SELECT max(history.at) FROM usagefix.history
    WHERE history.counter = 'preset_usage_count'::name AND history.version = %(version)s
        AND history.action = 'rollback'), '-infinity')
GROUP BY presets.id, corrections.row_key, presets.usage_count, columns.nothing
HAVING sum(corrections.delta) <> 0 OR presets.usage_count = 0 AND columns.nothing IS NULL
    AND (array_agg(corrections.displayed ORDER BY corrections.run, corrections.place))[1] IS NULL
