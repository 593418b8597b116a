-- Whether events can be joined with presets at all; reads no row.
SELECT FROM public.presets JOIN public.preset_usage ON preset_usage.preset_id = presets.id LIMIT 0
