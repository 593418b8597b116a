-- Whether a run of the backfill is still open: a rollback closes it. Parameter: run.
SELECT EXISTS (
    SELECT FROM usagefix.backfills WHERE backfills.run = %(run)s AND backfills.finished_at IS NULL
) AS still_open
