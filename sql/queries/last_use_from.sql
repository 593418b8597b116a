-- Set from when on the events of all presets are to be looked at for a later use. An event matters only if it is newer
-- than its preset's time of the last use; the presets that show the oldest times, and together at most one use in
-- fifty, are looked up one by one instead. A counter that is wrong makes that slower or faster, never wrong.
SELECT set_config(
    'usagefix.later_than', COALESCE(min(last_use) FILTER (WHERE shown_so_far > shown / 50), '-infinity')::text, true)
FROM (
    SELECT COALESCE(preset.last_used_at, '-infinity')::timestamptz AS last_use,
        sum(uses.shown) OVER (ORDER BY COALESCE(preset.last_used_at, '-infinity')) AS shown_so_far,
        sum(uses.shown) OVER () AS shown
    FROM public.presets AS preset
    CROSS JOIN LATERAL (SELECT GREATEST(0, preset.usage_count) + 1 AS shown) AS uses
) AS by_last_use
