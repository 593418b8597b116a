-- The largest counter; null where there is none.
SELECT max(presets.usage_count) AS largest FROM public.presets
