-- The rows that have a baseline, before the count.
SELECT noted.row_key FROM usagefix.baselines AS noted WHERE noted.counter = 'preset_usage_count'::name
