-- Lock the presets of the next batch in the order of their ids, as the counting trigger does. A lock that lets
-- foreign-key checks through. Parameters: run, size.
SELECT presets.id
FROM public.presets
WHERE presets.id IN (
    SELECT corrections.preset_id FROM usagefix.corrections
    WHERE corrections.run = %(run)s AND corrections.applied_at IS NULL
    ORDER BY corrections.preset_id
    LIMIT %(size)s
)
ORDER BY presets.id
FOR NO KEY UPDATE
