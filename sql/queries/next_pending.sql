-- The next presets of a run whose deltas wait, in the order of their ids. From where the batch before ended: what was
-- marked since then need not be passed over again. Parameters: run, first (whether there was no batch before), after
-- (its last id), size.
SELECT corrections."preset_id" AS id
FROM usagefix.corrections
WHERE corrections.run = %(run)s AND corrections.applied_at IS NULL
    AND (%(first)s OR corrections."preset_id" > %(after)s)
ORDER BY corrections."preset_id"
LIMIT %(size)s
