-- The run is over. Parameter: run.
UPDATE usagefix.backfills SET finished_at = clock_timestamp(), lease_until = NULL WHERE run = %(run)s
