-- Lock the presets of the next batch in the order of their ids, as the counting trigger does, leaving out those that
-- somebody else holds. A lock that lets foreign-key checks through. Parameters: run, size.
SELECT presets.id AS id
FROM usagefix.corrections
JOIN public.presets ON presets.id = corrections.preset_id
WHERE corrections.run = %(run)s AND corrections.applied_at IS NULL
ORDER BY presets.id
LIMIT %(size)s
FOR NO KEY UPDATE OF presets SKIP LOCKED
