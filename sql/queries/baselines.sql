-- What existing counters hold in addition to their events.
SELECT count(*) AS rows, COALESCE(sum(noted.baseline), 0) AS total
FROM usagefix.baselines AS noted
JOIN public.presets AS preset ON preset.id::text = noted.row_key
WHERE noted.counter = 'preset_usage_count'::name
