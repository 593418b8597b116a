-- Whether a partition came after apply: it is counted by the trigger for rows, and has none of its own yet.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_trigger AS cloned
    WHERE cloned.tgparentid <> 0 AND cloned.tgenabled <> 'D'
        AND cloned.tgname IN (%(trigger_auto_increment_row)s, %(trigger_auto_adjust_row)s)
        AND cloned.tgfoid IN (to_regprocedure(%(auto_increment)s), to_regprocedure(%(auto_adjust)s))
) AS later
