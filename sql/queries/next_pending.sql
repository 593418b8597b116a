-- The next preset of a run whose delta waits. Parameter: run.
SELECT presets.id AS id
FROM usagefix.corrections
JOIN public.presets ON presets.id = corrections.preset_id
WHERE corrections.run = %(run)s AND corrections.applied_at IS NULL
ORDER BY corrections.preset_id
LIMIT 1
