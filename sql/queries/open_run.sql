-- A new run of the backfill. Parameter: lease (seconds).
INSERT INTO usagefix.backfills (lease_until)
VALUES (clock_timestamp() + make_interval(secs => %(lease)s))
RETURNING run
