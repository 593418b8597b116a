-- The next presets of a run with pending deltas, in the order of their ids, after the last batch, so that it does not
-- read marked rows again. Parameters: run, after (its last place, 0 at first), size.
SELECT corrections.place, corrections.row_key, corrections.displayed, corrections.delta,
    corrections.newest::text AS newest
FROM usagefix.corrections
WHERE corrections.run = %(run)s AND corrections.applied_at IS NULL AND corrections.place > %(after)s
ORDER BY corrections.place
LIMIT %(size)s
