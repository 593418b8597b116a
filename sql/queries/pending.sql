-- How many deltas of a run wait; those of presets that are gone wait for nothing, and are left out. Parameter: run.
SELECT count(*) AS waiting
FROM usagefix.corrections
WHERE corrections.run = %(run)s AND corrections.applied_at IS NULL
    AND EXISTS (SELECT FROM public.presets WHERE presets.id = corrections.preset_id)
