-- How many presets some runs of the backfill have corrected. Parameter: runs.
SELECT count(DISTINCT corrections.preset_id) AS presets
FROM usagefix.corrections
WHERE corrections.run = ANY (%(runs)s) AND corrections.applied_at IS NOT NULL
