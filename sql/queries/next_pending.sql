-- The next presets of a run whose deltas wait, in the order of their ids. From where the batch before ended: what was
-- marked since then need not be passed over again. Parameters: run, after (its last place, 0 at first), size.
SELECT corrections.place, corrections.row_key, corrections.displayed, corrections.delta,
    corrections.newest::text AS newest
FROM usagefix.corrections
WHERE corrections.run = %(run)s AND corrections.applied_at IS NULL AND corrections.place > %(after)s
ORDER BY corrections.place
LIMIT %(size)s
