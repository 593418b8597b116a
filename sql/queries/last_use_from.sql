-- Set the time from which the events of all presets are searched for a later use. An event matters only if it is newer
-- than its preset's time of the last use. The presets with the oldest times, with at most one use in fifty together,
-- are looked up one by one. A wrong counter makes that slower or faster, never wrong.
SELECT set_config(
    'usagefix.later_than', COALESCE(min(last_use) FILTER (WHERE shown_so_far > shown / 50), '-infinity')::text, true)
FROM (
    SELECT COALESCE(preset.last_used_at, '-infinity')::timestamptz AS last_use,
        sum(uses.shown) OVER (ORDER BY COALESCE(preset.last_used_at, '-infinity')) AS shown_so_far,
        sum(uses.shown) OVER () AS shown
    FROM public.presets AS preset
    CROSS JOIN LATERAL (SELECT GREATEST(0, preset.usage_count)::numeric + 1 AS shown) AS uses
) AS by_last_use
