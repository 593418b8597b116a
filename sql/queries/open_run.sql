-- A new run of the backfill. Parameter: lease (seconds).
INSERT INTO usagefix.backfills (counter, lease_until)
VALUES ('preset_usage_count'::name, clock_timestamp() + make_interval(secs => %(lease)s))
RETURNING run
