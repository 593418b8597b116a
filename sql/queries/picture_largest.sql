-- The largest counter; null where there is none.
SELECT max(preset.usage_count) AS largest FROM public.presets AS preset
