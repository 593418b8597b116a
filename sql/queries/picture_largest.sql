-- The largest counter; null if there is none.
SELECT max(preset.usage_count) AS largest FROM public.presets AS preset
